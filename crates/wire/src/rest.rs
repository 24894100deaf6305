//! The REST documents. What the service reads refuses members it does not know; what it writes may
//! grow, so that clients must skip what they do not know.

mod analysis;
mod backtest;
mod cluster;
mod config;
mod dead_letter;
mod definitions;
mod event;
mod intervals;
mod publish;
mod pull;
mod subscription;
mod subscription_patch;
mod terms;
mod topic;
mod trace;

pub use analysis::{AsOf, LastValueDocument, as_of_appended};
pub use backtest::{
    ComparedDocument, PeakDocument, SampleDocument, TestDocument, TestRequestDocument,
    TopicCountDocument, VolumeDocument,
};
pub use cluster::{ClusterDocument, ClusterMemberDocument, PartitionGroupDocument};
pub use config::{ConfigDocument, WaitingKeyDocument};
pub use dead_letter::{
    DeadLetterDocument, DeadLetterListDocument, DeadLetterSelectionDocument,
    DeadLettersChangedDocument, FailedAttemptDocument,
};
pub use definitions::{DefinitionDocument, DefinitionListDocument};
pub use event::EventSchema;
pub use intervals::{IntervalDocument, IntervalListDocument};
pub use publish::{
    BlockResultDocument, ProducerDocument, ProducerRequestDocument, PublishDocument,
    PublishResultDocument, SequenceDocument, WrittenResult,
};
pub use pull::{
    AckDocument, AckRequestDocument, AckResultDocument, DigestDocument, ExtendRequestDocument,
    GapDocument, NackRequestDocument, PullDocument, PullItem, PullRequestDocument, PulledDocument,
};
pub use subscription::{
    DeliveryDocument, MemberDocument, PartitionStatusDocument, PullOptions, StartDocument,
    StatusDocument, StreamOptions, SubscriptionDocument, SubscriptionListDocument,
    SubscriptionRequest,
};
pub use subscription_patch::{SeekDocument, SeekRequestDocument, SubscriptionPatch};
pub use terms::{BatchDocument, FoldDocument, RetryDocument, RevisionDocument};
pub use topic::{
    BrowseDocument, BrowsedDocument, GuaranteeDocument, GuaranteesDocument, RetentionDocument,
    TopicDocument, TopicListDocument, TopicRequestDocument,
};
pub use trace::{
    TraceDocument, TraceKeySeqDocument, TraceLookedDocument, TraceStageDocument,
    TraceSubscriptionDocument,
};
