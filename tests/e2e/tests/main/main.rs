//! The one end-to-end test binary: the real executable, driven as users drive it.

mod command_line;
mod crash;
mod road;
