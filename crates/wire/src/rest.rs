//! The REST documents. What the service reads refuses members it does not know; what it writes may
//! grow, so that clients must skip what they do not know.

mod analysis;
mod publish;
mod pull;
mod subscription;
mod topic;

pub use analysis::{AsOf, as_of_appended};
pub use publish::{PublishDocument, PublishResultDocument};
pub use pull::{
    AckDocument, AckRequestDocument, AckResultDocument, GapDocument, NackRequestDocument,
    PullDocument, PullItem, PullRequestDocument, PulledDocument,
};
pub use subscription::{
    DeliveryDocument, PartitionStatusDocument, PullOptions, StartDocument, StatusDocument,
    StreamOptions, SubscriptionDocument, SubscriptionListDocument, SubscriptionRequest,
};
pub use topic::{
    BrowseDocument, BrowsedDocument, RetentionDocument, TopicDocument, TopicListDocument,
    TopicRequestDocument,
};
