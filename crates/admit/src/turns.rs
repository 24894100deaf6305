//! How much is taken in before everybody else has had a turn.
//!
//! Whoever publishes has a task of its own, and there may be thousands of them, while what is delivered
//! to a thousand consumers may be the work of ten. Were each task worth the same, more would be taken in
//! than is delivered as soon as the processor is short. So publishing as a whole is one among others: a
//! batch keeps its share of a turn until those who were ready before have had theirs.

use tokio::sync::Semaphore;

/// Bytes of a turn, in units.
const TURN: u32 = 256;
const UNIT_BYTES: usize = 1 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(TURN as usize))
    }
}

impl Turns {
    /// Does what is to be done with so many bytes, in the order of asking. While that waits, as for a topic
    /// to be made, it keeps its share.
    pub(crate) async fn take<T>(&self, bytes: usize, work: impl Future<Output = T>) -> T {
        let units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(TURN).clamp(1, TURN);
        // Nobody closes it.
        let _turn = self.0.acquire_many(units).await;
        let done = work.await;
        tokio::task::yield_now().await;
        done
    }
}

#[cfg(test)]
mod tests;
