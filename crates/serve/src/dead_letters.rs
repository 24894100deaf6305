//! Dead letters as both doors ask for them: a part of the list, and which letters are meant.

use tidings_deliver::{DeadLetter, DeadLetterCounts, Selection};
use tidings_event::{Code, Position, Refusal};

use crate::doors::Doors;
use crate::page::{Page, invalid_cursor};

/// Most positions of one request.
const POSITIONS_MAX: usize = 1_000;

/// A part of a subscription's letters.
pub(crate) struct Listed {
    pub(crate) letters: Vec<DeadLetter>,
    pub(crate) next: Option<String>,
    pub(crate) counts: DeadLetterCounts,
}

/// The part that a page asks for.
pub(crate) async fn list(
    doors: &Doors,
    (tenant, subscription): (&str, &str),
    page: &Page,
) -> Result<Listed, Refusal> {
    let deliver = &doors.parts.deliver;
    let after = page.after().map(str::parse::<Position>).transpose();
    let after = after.map_err(|_| invalid_cursor())?;
    let counts = deliver.dead_letter_counts(tenant, subscription)?;
    // One more than asked for tells whether there is more.
    let limit = page.limit();
    let mut letters = deliver.dead_letters(tenant, subscription, after, limit + 1).await?;
    let more = letters.len() > limit;
    letters.truncate(limit);
    let last = letters.last().filter(|_| more);
    let next = last.map(|last| page.cursor(&last.position.to_string()));
    Ok(Listed { letters, next, counts })
}

/// Which letters are meant: exactly one of the three ways to say it.
pub(crate) fn selection(
    positions: &[String],
    (from, to): (Option<&str>, Option<&str>),
    all: bool,
) -> Result<Selection, Refusal> {
    let is_range = from.is_some() || to.is_some();
    match [!positions.is_empty(), is_range, all].into_iter().filter(|said| *said).count() {
        1 => {}
        0 => return Err(one_of(Code::FieldMissing)),
        _ => return Err(one_of(Code::FieldInvalid)),
    }
    if all {
        return Ok(Selection::All);
    }
    if is_range {
        let missing = |field: &str| {
            let detail = "`from` and `to` are a range together";
            Refusal::new(Code::FieldMissing, detail).at_field(field)
        };
        let from = position(from.ok_or_else(|| missing("from"))?, "from")?;
        let to = position(to.ok_or_else(|| missing("to"))?, "to")?;
        if (to.topic, to.epoch, to.partition) != (from.topic, from.epoch, from.partition) {
            let detail = "it is in another partition than `from`";
            return Err(Refusal::new(Code::FieldInvalid, detail).at_field("to"));
        }
        return Ok(Selection::Range { from, to: to.offset });
    }
    if positions.len() > POSITIONS_MAX {
        let detail = format!("{} positions, at most {POSITIONS_MAX}", positions.len());
        return Err(Refusal::new(Code::FieldInvalid, detail).at_field("positions"));
    }
    let read = positions.iter().enumerate();
    let read = read.map(|(at, text)| position(text, &format!("positions[{at}]")));
    Ok(Selection::Positions(read.collect::<Result<_, _>>()?))
}

/// A position as a client spells it.
pub(crate) fn position(text: &str, field: &str) -> Result<Position, Refusal> {
    text.parse().map_err(|error: tidings_event::position::PositionError| {
        Refusal::new(Code::PositionInvalid, error.to_string()).at_field(field)
    })
}

fn one_of(code: Code) -> Refusal {
    Refusal::new(code, "give one of `positions`, `from` with `to`, and `all`").at_field("positions")
}

#[cfg(test)]
mod tests;
