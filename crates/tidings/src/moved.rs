//! The note in a data directory whose log was moved to Pulsar: nobody serves it by mistake any more.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Its name, beside the log, of which it is no part.
const FILE: &str = "MOVED";

/// The note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    dir: PathBuf,
    to: String,
}

impl Moved {
    /// Of a directory, if it has one. One that cannot be read counts, too.
    pub(crate) fn find(dir: &Path) -> Option<Self> {
        let text = match fs::read_to_string(dir.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => format!("a place that {FILE} in it does not tell: {error}"),
        };
        let to = text.lines().next().unwrap_or("Pulsar").to_owned();
        Some(Self { dir: dir.to_owned(), to })
    }

    /// Puts one into a directory, durably: where the log went, and when.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn leave(dir: &Path, to: String) -> io::Result<Self> {
        let moved = Self { dir: dir.to_owned(), to };
        let mut file = File::create(moved.file())?;
        writeln!(file, "{}\n\n{moved}: {}.", moved.to, moved.remedy())?;
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
        Ok(moved)
    }

    /// Where it is.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        let file = self.file();
        format!(
            "set `engine.kind` to pulsar, or to go back to this log, without what was published since, remove {}",
            file.display()
        )
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log in {} was moved to {}", self.dir.display(), self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::Moved;

    #[test]
    fn a_note_says_where_the_log_went() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Moved::find(dir.path()), None);
        let left = Moved::leave(dir.path(), "pulsar://broker:6650, namespace a/b".to_owned());
        let found = Moved::find(dir.path()).unwrap();
        assert_eq!(found, left.unwrap());
        assert!(found.to_string().ends_with("was moved to pulsar://broker:6650, namespace a/b"));
        assert!(
            found.remedy().ends_with(&format!("remove {}", dir.path().join("MOVED").display()))
        );
        std::fs::remove_file(found.file()).unwrap();
        std::fs::create_dir(found.file()).unwrap();
        assert!(Moved::find(dir.path()).is_some(), "it is there, whatever it is");
    }
}
