//! The invariants, one file each. A check looks at a whole history and names every violation.

mod i01_acked_loss;
mod i02_phantom;
mod i03_damage;
mod i04_offset_reuse;
mod i05_order;
mod i06_order_after_retry;
mod i07_unexplained_dup;
mod i08_dup_append;
mod i09_skip;
mod i10_lost_ack;
mod i11_dead_letters;
mod i11_settlements;
mod i12_cross_tenant;
mod i13_rule_drift;
mod i14_split_brain;
mod i15_ack_after_eio;
mod i16_stuck;
mod i17_leak;
mod i18_recovery;
mod i19_opaque_error;

use crate::model::Model;
use crate::verdict::Violation;

/// A check of one invariant.
pub type Check = fn(&Model<'_>) -> Vec<Violation>;

/// Every check.
pub const ALL: [Check; 20] = [
    i01_acked_loss::check,
    i02_phantom::check,
    i03_damage::check,
    i04_offset_reuse::check,
    i05_order::check,
    i06_order_after_retry::check,
    i07_unexplained_dup::check,
    i08_dup_append::check,
    i09_skip::check,
    i10_lost_ack::check,
    i11_dead_letters::check,
    i11_settlements::check,
    i12_cross_tenant::check,
    i13_rule_drift::check,
    i14_split_brain::check,
    i15_ack_after_eio::check,
    i16_stuck::check,
    i17_leak::check,
    i18_recovery::check,
    i19_opaque_error::check,
];

/// Checks whose violations nothing heals that comes later.
pub(crate) const LASTING: [Check; 13] = [
    i03_damage::check,
    i04_offset_reuse::check,
    i05_order::check,
    i07_unexplained_dup::check,
    i08_dup_append::check,
    i10_lost_ack::check,
    i12_cross_tenant::check,
    i13_rule_drift::check,
    i14_split_brain::check,
    i15_ack_after_eio::check,
    i17_leak::check,
    i18_recovery::check,
    i19_opaque_error::check,
];

/// Checks that need to know how each event of a key ended, and of the others nothing.
pub(crate) const OF_KEYS: [Check; 1] = [i06_order_after_retry::check];
