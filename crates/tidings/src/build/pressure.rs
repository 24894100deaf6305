//! What keeps the memory budget, and who can let go of what.

use std::sync::Arc;
use std::time::Duration;

use tidings_serve::{Forms, Parts};

use crate::config::Config;
use crate::memory::pressure::{Holder, Pressure, resident};

pub(crate) fn keep(config: &Config, parts: &Parts, forms: Forms) -> Pressure {
    let holders: Vec<Holder> = vec![Box::new(move |_| forms.shed())];
    Pressure {
        budget: config.memory_budget,
        used: Box::new(resident),
        holders,
        give_back: parts.give_back,
        memory: parts.memory.clone(),
        recorder: Arc::clone(&parts.recorder),
        since_shed: Duration::MAX,
    }
}
