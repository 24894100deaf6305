//! What a bad disk, a bad cable or a hasty hand does to files that were stored well.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::FakeDisk;
use super::image::{Content, PAGE_BYTES};

impl FakeDisk {
    /// Flips one durable bit.
    ///
    /// # Errors
    /// `NotFound`, or past the end.
    pub fn flip_bit(&self, path: &Path, bit: u64) -> io::Result<()> {
        let mut byte = [0];
        {
            let state = self.state();
            state.image.file(state.image.inode(path)?).read(&mut byte, bit / 8)?;
        }
        self.put(path, bit / 8, &Bytes::copy_from_slice(&[byte[0] ^ (1 << (bit % 8))]))
    }

    /// Zeroes one durable page.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn zero_page(&self, path: &Path, page: u64) -> io::Result<()> {
        self.put(path, page * PAGE_BYTES as u64, &Bytes::from_static(&[0; PAGE_BYTES]))
    }

    /// Puts bytes in place, durably, as far as the file goes.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn put(&self, path: &Path, at: u64, bytes: &Bytes) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.image.inode(path)?;
        state.image.file_mut(inode).damage(at, bytes);
        Ok(())
    }

    /// Ends a file earlier.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn cut(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.image.inode(path)?;
        state.image.file_mut(inode).cut(len);
        Ok(())
    }

    /// All bytes of a file.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn content(&self, path: &Path) -> io::Result<Bytes> {
        let state = self.state();
        let file = state.image.file(state.image.inode(path)?);
        let mut bytes = vec![0; usize::try_from(file.len).map_err(io::Error::other)?];
        file.read(&mut bytes, 0)?;
        Ok(bytes.into())
    }

    /// Puts a file under a name, whatever was there; `None` takes the name away.
    pub fn replace(&self, path: &Path, content: Option<&Bytes>) {
        let mut state = self.state();
        let names = Arc::make_mut(&mut state.image.names);
        names.remove(path.as_os_str());
        if let Some(bytes) = content {
            let mut file = Content { len: bytes.len() as u64, ..Content::default() };
            file.damage(0, bytes);
            state.image.files.push(Arc::new(file));
            let inode = state.image.files.len() - 1;
            Arc::make_mut(&mut state.image.names).insert(path.as_os_str().into(), inode);
        }
        state.image.durable_names = Arc::clone(&state.image.names);
    }
}
