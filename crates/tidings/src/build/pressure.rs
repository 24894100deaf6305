//! What keeps the memory budget, and who can let go of what.

use std::sync::Arc;
use std::time::Duration;

use tidings_serve::{Forms, Parts};
use tidings_telemetry::MemoryLevel;

use crate::config::Config;
use crate::memory::pressure::{Holder, Pressure, resident};

pub(crate) fn keep(config: &Config, parts: &Parts, forms: Forms) -> Pressure {
    let (deliver, log) = (Arc::clone(&parts.deliver), Arc::clone(&parts.log));
    let holders: Vec<Holder> = vec![
        Box::new(move |_| forms.shed()),
        Box::new(move |level| deliver.shed(level == MemoryLevel::Refuse)),
        Box::new(move |_| log.shed()),
    ];
    Pressure {
        budget: config.memory_budget,
        used: Box::new(resident()),
        holders,
        give_back: parts.give_back,
        memory: parts.memory.clone(),
        recorder: Arc::clone(&parts.recorder),
        since_shed: Duration::MAX,
        is_blind: false,
    }
}
