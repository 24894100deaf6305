//! Correlation matrices too large for one event: into parts, and together again.
//!
//! The parts of a matrix are events of their own with one key, so that they stay in order. Part 0
//! holds what is said once (instruments, summary); triangle, p-values and pairs are cut into
//! consecutive pieces.

use std::collections::VecDeque;

use tidings_event::v1::{self, event::Payload};
use tidings_event::{encode, foreign_event_id, format_event_id};

/// Most values of one part: a float, or the p-value that belongs to it.
const VALUES_MAX: usize = 100_000;

/// Most pairs of one part: two instruments of 50 bytes and two doubles each.
const PAIRS_MAX: usize = 5_000;

/// Why a matrix could not be cut or put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatrixError {
    /// The event is of another kind.
    #[error("the event holds no correlation")]
    NoCorrelation,
    /// The event is a part already.
    #[error("the event is part {chunk} of {chunks} already")]
    Part {
        /// Its number.
        chunk: u32,
        /// Of how many.
        chunks: u32,
    },
    /// A part came that does not follow.
    #[error("part {found} of matrix `{matrix_id}` came where {expected} was due")]
    OutOfOrder {
        /// The matrix.
        matrix_id: String,
        /// The part that was due.
        expected: u32,
        /// The part that came.
        found: u32,
    },
    /// Its instruments and summary alone are larger than an event may be.
    #[error("the matrix has {0} bytes of names and summary; send it by `dataref`")]
    TooLarge(usize),
}

/// Most bytes of a part; an event may have a little more.
const PART_BYTES_MAX: usize = 1_000_000;

/// A correlation event as one that is whole, or as many parts as it takes. Each part's id follows
/// from the event's and its number, so that cutting again gives the same ids.
///
/// # Errors
/// See [`MatrixError`].
pub fn split(event: v1::Event) -> Result<Vec<v1::Event>, MatrixError> {
    let Some(Payload::Correlation(whole)) = &event.payload else {
        return Err(MatrixError::NoCorrelation);
    };
    if whole.chunks != 0 {
        return Err(MatrixError::Part { chunk: whole.chunk, chunks: whole.chunks });
    }
    let values = whole.triangle.len().max(whole.p_values.len()).div_ceil(VALUES_MAX);
    let count = values.max(whole.pairs.len().div_ceil(PAIRS_MAX)).max(1);
    if count == 1 && encode(&event).len() <= PART_BYTES_MAX {
        return Ok(vec![event]);
    }
    let once = v1::Correlation {
        triangle: Vec::new(),
        p_values: Vec::new(),
        pairs: Vec::new(),
        // A matrix of one piece whose names are large has a second part for its values.
        chunks: u32::try_from(count + 1).unwrap_or(u32::MAX),
        ..whole.clone()
    };
    let head = part(&event, once);
    let bytes = encode(&head).len();
    if bytes > PART_BYTES_MAX {
        return Err(MatrixError::TooLarge(bytes));
    }
    let mut parts = vec![head];
    for at in 0..count {
        parts.push(part(&event, piece(whole, at, count)));
    }
    Ok(parts)
}

fn piece(whole: &v1::Correlation, at: usize, count: usize) -> v1::Correlation {
    v1::Correlation {
        matrix_id: whole.matrix_id.clone(),
        kind: whole.kind,
        triangle: cut(&whole.triangle, at, VALUES_MAX),
        p_values: cut(&whole.p_values, at, VALUES_MAX),
        pairs: cut(&whole.pairs, at, PAIRS_MAX),
        // A matrix has fewer values than a u32 counts.
        chunk: u32::try_from(at + 1).unwrap_or(u32::MAX),
        chunks: u32::try_from(count + 1).unwrap_or(u32::MAX),
        ..v1::Correlation::default()
    }
}

fn cut<T: Clone>(all: &[T], at: usize, size: usize) -> Vec<T> {
    all.iter().skip(at * size).take(size).cloned().collect()
}

fn part(event: &v1::Event, payload: v1::Correlation) -> v1::Event {
    let id = event.id.as_ref().try_into().map_or_else(|_| String::new(), |id| format_event_id(&id));
    let id = foreign_event_id(&event.source, &format!("{id}/{}", payload.chunk));
    v1::Event {
        id: id.to_vec().into(),
        payload: Some(Payload::Correlation(payload)),
        ..event.clone()
    }
}

/// Puts matrices together again from their parts, as they are delivered: in order per key.
#[derive(Debug)]
pub struct Assembly {
    /// Begun and not whole, the newest last.
    open: VecDeque<v1::Event>,
    most: usize,
}

impl Assembly {
    /// Keeps at most so many matrices that are not whole; above it the oldest is given up.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { open: VecDeque::new(), most: most.max(1) }
    }

    /// Takes an event; gives it back when it is whole, or the matrix that it was the last part of,
    /// under the last part's id. A part that came before (a redelivery) changes nothing.
    ///
    /// # Errors
    /// [`MatrixError::OutOfOrder`] when a part is missing: the matrix is given up.
    pub fn push(&mut self, event: v1::Event) -> Result<Option<v1::Event>, MatrixError> {
        let Some(Payload::Correlation(part)) = &event.payload else { return Ok(Some(event)) };
        if part.chunks == 0 {
            return Ok(Some(event));
        }
        let place = self.open.iter().position(|begun| is_same(begun, &event, part));
        let found = part.chunk;
        let Some(place) = place else {
            if found != 0 {
                return Err(out_of_order(part, 0));
            }
            if self.open.len() == self.most {
                self.open.pop_front();
            }
            self.open.push_back(event);
            return Ok(self.whole(self.open.len() - 1));
        };
        let Some(begun) = self.open.get_mut(place).and_then(correlation) else { return Ok(None) };
        let due = begun.chunk + 1;
        if found < due {
            return Ok(None);
        }
        if found > due {
            let error = out_of_order(part, due);
            self.open.remove(place);
            return Err(error);
        }
        begun.triangle.extend_from_slice(&part.triangle);
        begun.p_values.extend_from_slice(&part.p_values);
        begun.pairs.extend_from_slice(&part.pairs);
        begun.chunk = found;
        if let Some(begun) = self.open.get_mut(place) {
            begun.id = event.id;
        }
        Ok(self.whole(place))
    }

    /// Takes a matrix out when its last part has come.
    fn whole(&mut self, place: usize) -> Option<v1::Event> {
        let begun = self.open.get_mut(place).and_then(correlation)?;
        if begun.chunk + 1 < begun.chunks {
            return None;
        }
        (begun.chunk, begun.chunks) = (0, 0);
        self.open.remove(place)
    }
}

fn correlation(event: &mut v1::Event) -> Option<&mut v1::Correlation> {
    match &mut event.payload {
        Some(Payload::Correlation(correlation)) => Some(correlation),
        _ => None,
    }
}

/// Whether a part belongs to what was begun.
fn is_same(begun: &v1::Event, event: &v1::Event, part: &v1::Correlation) -> bool {
    let Some(Payload::Correlation(head)) = &begun.payload else { return false };
    begun.source == event.source
        && (begun.produced_at, begun.revision) == (event.produced_at, event.revision)
        && head.matrix_id == part.matrix_id
        && head.chunks == part.chunks
}

fn out_of_order(part: &v1::Correlation, expected: u32) -> MatrixError {
    MatrixError::OutOfOrder { matrix_id: part.matrix_id.clone(), expected, found: part.chunk }
}

#[cfg(test)]
mod tests;
