//! One TCP connection with a buffer to read from: what the thin clients speak over.

use tidings_bench::BenchError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::broken;

/// Room for what a read may bring.
const READ_BYTES: usize = 256 << 10;
/// Bytes of one write.
const WRITE_BYTES: usize = 256 << 10;

/// See the module.
pub(crate) struct Link {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Link {
    /// Connects to a port of the loopback.
    pub(crate) async fn connect(port: u16) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 2 * READ_BYTES], start: 0, end: 0 })
    }

    /// Our own port: no two connections at a time have the same.
    pub(crate) fn port(&self) -> Result<u16, BenchError> {
        Ok(self.stream.local_addr()?.port())
    }

    /// What was read and not used yet.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// So many bytes of it are used.
    pub(crate) fn used(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// Reads more; waits for it.
    pub(crate) async fn read(&mut self) -> Result<(), BenchError> {
        self.make_room();
        match self.stream.read(&mut self.buffer[self.end..]).await? {
            0 => Err(broken("the peer closed the connection")),
            more => {
                self.end += more;
                Ok(())
            }
        }
    }

    /// Reads what is there; `false` when nothing is.
    pub(crate) fn try_read(&mut self) -> Result<bool, BenchError> {
        self.make_room();
        match self.stream.try_read(&mut self.buffer[self.end..]) {
            Ok(0) => Err(broken("the peer closed the connection")),
            Ok(more) => {
                self.end += more;
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.end < READ_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.buffer.len() - self.end < READ_BYTES {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    /// Writes all of it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        for part in bytes.chunks(WRITE_BYTES) {
            self.stream.write_all(part).await?;
        }
        Ok(())
    }
}
