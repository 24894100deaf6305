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
mod i13_rule_drift;

use crate::model::Model;
use crate::verdict::Violation;

/// A check of one invariant.
pub type Check = fn(&Model<'_>) -> Vec<Violation>;

/// Every check.
pub const ALL: [Check; 13] = [
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
    i13_rule_drift::check,
];
