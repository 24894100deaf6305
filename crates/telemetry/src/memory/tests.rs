//! What is set is what every clone sees.

use super::{Memory, MemoryLevel};

#[test]
fn every_clone_sees_the_level() {
    let memory = Memory::default();
    let seen = memory.clone();
    assert_eq!(seen.level(), MemoryLevel::Normal);
    for level in [MemoryLevel::Shed, MemoryLevel::Refuse, MemoryLevel::Normal] {
        memory.set(level);
        assert_eq!((seen.level(), seen.is_refusing()), (level, level == MemoryLevel::Refuse));
    }
}
