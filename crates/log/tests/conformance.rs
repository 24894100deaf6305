//! Every engine of this crate passes every case of the contract.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "conformance/engines.rs"]
mod engines;

mod memory {
    tidings_log::conformance!(crate::engines::Memory::default());
}

mod embedded_on_the_system_disk {
    tidings_log::conformance!(crate::engines::OnSystemDisk::new());
}

mod embedded_on_the_fake_disk {
    tidings_log::conformance!(crate::engines::OnFakeDisk::new());
}
