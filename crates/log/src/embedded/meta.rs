//! `log.meta`: the log's identity, and the term that grows at every open.

use std::path::PathBuf;

use tidings_event::block::crc32c;
use tidings_event::{Epoch, Term};

use super::context::{Context, read_file};
use super::fields::{Fields, Put};
use super::options::OpenError;

const MAGIC: &[u8] = b"TLM1";
const BYTES: usize = 40;
pub(crate) const VERSION: u32 = 1;

pub(crate) fn path(context: &Context) -> PathBuf {
    context.dir.join("log.meta")
}

/// Reads the identity and makes the next term durable; starts a new log in an empty directory.
pub(crate) fn advance(context: &Context) -> Result<(Epoch, Term), OpenError> {
    let path = path(context);
    let stored = read_file(&*context.disk, &path).map_err(OpenError::io(&path))?;
    let (epoch, term) = match stored {
        Some(bytes) => decode(&path, &bytes)?,
        None if has_journals(context)? => {
            return Err(OpenError::Damaged { file: path, reason: "missing, but journals exist" });
        }
        None => (Epoch(1), Term(0)),
    };
    let term = Term(term.0 + 1);
    context.replace(&path, &encode(epoch, term)).map_err(OpenError::io(&path))?;
    Ok((epoch, term))
}

fn has_journals(context: &Context) -> Result<bool, OpenError> {
    let names =
        super::context::list(&*context.disk, &context.dir).map_err(OpenError::io(&context.dir))?;
    Ok(names.iter().any(|name| name.ends_with("state")))
}

fn encode(epoch: Epoch, term: Term) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.put_u32(VERSION);
    // Feature words: compatible, read-only compatible, incompatible.
    out.extend_from_slice(&[0; 12]);
    out.put_u32(epoch.0);
    out.put_u64(term.0);
    out.put_u32(0);
    let crc = crc32c(&out);
    out.put_u32(crc);
    out
}

pub(crate) fn decode(path: &std::path::Path, bytes: &[u8]) -> Result<(Epoch, Term), OpenError> {
    let damaged = |reason| OpenError::Damaged { file: path.to_owned(), reason };
    let sound = bytes.len() == BYTES && bytes.starts_with(MAGIC);
    if !sound || bytes[BYTES - 4..] != crc32c(&bytes[..BYTES - 4]).to_le_bytes() {
        return Err(damaged("checksum does not fit; restore the file from a backup"));
    }
    let mut fields = Fields(&bytes[4..]);
    let cut = || damaged("cut off");
    let version = fields.u32().ok_or_else(cut)?;
    fields.bytes(8).ok_or_else(cut)?;
    let incompatible = fields.u32().ok_or_else(cut)?;
    if version != VERSION || incompatible != 0 {
        let bits = if incompatible == 0 { version } else { incompatible };
        return Err(OpenError::Feature { file: path.to_owned(), bits });
    }
    let epoch = Epoch(fields.u32().ok_or_else(cut)?);
    Ok((epoch, Term(fields.u64().ok_or_else(cut)?)))
}
