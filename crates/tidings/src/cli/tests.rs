//! The command line is consistent, and every command shows how it is used.

use clap::CommandFactory;

use super::*;

#[test]
fn clap_finds_nothing_wrong() {
    Cli::command().debug_assert();
}

/// Names of commands whose help has no example that starts with their own name.
fn without_example(command: &clap::Command, name: &str) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let shown = help.contains("Example") && help.contains(name);
    let mut missing = if shown { Vec::new() } else { vec![name.to_owned()] };
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        missing.extend(without_example(inner, &format!("{name} {}", inner.get_name())));
    }
    missing
}

#[test]
fn the_help_of_every_command_has_an_example() {
    assert_eq!(without_example(&Cli::command(), "tidings"), [""; 0]);
}
