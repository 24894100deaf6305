//! Writes a checked filter down again, always the same way.

use std::fmt::{self, Display, Formatter, Write};

use tidings_event::json::INTEGER_MAX;
use tidings_event::{Timestamp, format_event_id};

use super::expression::{Constant, Name, Operand, Set, Test};
use super::syntax::Math;

/// How tightly things bind, loosest first: what binds looser than its place asks for is put in
/// parentheses.
const CHOICE: u8 = 0;
const ANY: u8 = 1;
const ALL: u8 = 2;
const RELATION: u8 = 3;
const SUM: u8 = 4;
const UNARY: u8 = 6;
const PRIMARY: u8 = 7;

fn within<T: Display>(f: &mut Formatter<'_>, item: &T, has: u8, needs: u8) -> fmt::Result {
    if has < needs { write!(f, "({item})") } else { item.fmt(f) }
}

impl Test {
    fn binding(&self) -> u8 {
        match self {
            Self::Choice(_) => CHOICE,
            Self::Any(_) => ANY,
            Self::All(_) => ALL,
            Self::Compare(..) | Self::OneOf(..) | Self::Holds(..) | Self::Is(_, false) => RELATION,
            Self::Not(_) => UNARY,
            Self::Constant(_) | Self::Affix(..) | Self::Present(_) | Self::Is(_, true) => PRIMARY,
        }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(value) => value.fmt(f),
            Self::Not(of) => {
                f.write_str("!")?;
                within(f, &**of, of.binding(), UNARY)
            }
            Self::All(tests) => joined(f, tests, " && ", RELATION),
            Self::Any(tests) => joined(f, tests, " || ", ALL),
            Self::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                within(f, condition, condition.binding(), ANY)?;
                f.write_str(" ? ")?;
                within(f, yes, yes.binding(), ANY)?;
                write!(f, " : {no}")
            }
            Self::Compare(how, left, right) => {
                within(f, left, left.binding(), SUM)?;
                write!(f, " {} ", how.symbol())?;
                within(f, right, right.binding(), SUM)
            }
            Self::OneOf(operand, set) => {
                within(f, operand, operand.binding(), SUM)?;
                set.fmt(f)
            }
            Self::Holds(wanted, list) => write!(f, "{wanted} in {list}"),
            Self::Affix(affix, within_, sought) => {
                within(f, within_, within_.binding(), PRIMARY)?;
                write!(f, ".{}({sought})", affix.name())
            }
            Self::Present(name) => write!(f, "has({name})"),
            Self::Is(name, true) => name.fmt(f),
            Self::Is(name, false) => write!(f, "{name} == false"),
        }
    }
}

fn joined(f: &mut Formatter<'_>, tests: &[Test], between: &str, needs: u8) -> fmt::Result {
    for (index, test) in tests.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        within(f, test, test.binding(), needs)?;
    }
    Ok(())
}

impl Display for Set {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let [one] = self.constants() {
            return write!(f, " == {one}");
        }
        f.write_str(" in [")?;
        for (index, constant) in self.constants().iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            constant.fmt(f)?;
        }
        f.write_str("]")
    }
}

impl Operand {
    fn binding(&self) -> u8 {
        match self {
            Self::Math(how, ..) => how.binding(),
            Self::Negated(_) => UNARY,
            Self::Constant(Constant::Number(number)) if *number < 0.0 => UNARY,
            _ => PRIMARY,
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Constant(constant) => constant.fmt(f),
            Self::Math(how, left, right) => math(f, *how, left, right),
            Self::Negated(of) => {
                f.write_str("-")?;
                within(f, &**of, of.binding(), PRIMARY)
            }
            Self::Size(of) => write!(f, "size({of})"),
            Self::LowerAscii(of) => {
                within(f, &**of, of.binding(), PRIMARY)?;
                f.write_str(".lowerAscii()")
            }
        }
    }
}

fn math(f: &mut Formatter<'_>, how: Math, left: &Operand, right: &Operand) -> fmt::Result {
    within(f, left, left.binding(), how.binding())?;
    write!(f, " {} ", how.symbol())?;
    within(f, right, right.binding(), how.binding() + 1)
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(entry) => f.write_str(entry.name),
            Self::Label(name) => keyed(f, "labels", name),
            Self::Value(name, part) => {
                keyed(f, "values", name)?;
                if part.name == "value" { Ok(()) } else { write!(f, ".{}", part.name) }
            }
            Self::Figure(figures, key) => {
                write!(f, "summary.")?;
                keyed(f, figures.name, key)
            }
        }
    }
}

/// A map's entry: behind a dot where its name can stand there.
fn keyed(f: &mut Formatter<'_>, map: &str, key: &str) -> fmt::Result {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.starts_with(|c: char| plain(c) && !c.is_ascii_digit()) && key.chars().all(plain) {
        write!(f, "{map}.{key}")
    } else {
        write!(f, "{map}[")?;
        quoted(f, key)?;
        f.write_str("]")
    }
}

impl Display for Constant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => {
                let (plain, short) = (number.to_string(), format!("{number:e}"));
                // Whole numbers above the limit of digits are written with an exponent only.
                let is_short = short.len() < plain.len() || number.abs() > INTEGER_MAX as f64;
                f.write_str(if is_short { &short } else { &plain })
            }
            Self::Text(text) => quoted(f, text),
            Self::Time(time) => {
                let time = Timestamp(u64::try_from(*time).unwrap_or_default());
                write!(f, "timestamp(\"{time}\")")
            }
            Self::Duration(nanos) => duration(f, *nanos),
            Self::Id(id) => write!(f, "\"{}\"", format_event_id(id)),
            Self::Choice(choices, number) => write!(f, "\"{}\"", choices.name(*number)),
        }
    }
}

/// Seconds, with as many digits behind the point as are needed.
fn duration(f: &mut Formatter<'_>, nanos: i128) -> fmt::Result {
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, rest) = (nanos.abs() / 1_000_000_000, nanos.abs() % 1_000_000_000);
    let digits = format!("{rest:09}");
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    write!(f, "duration(\"{sign}{seconds}{point}{digits}s\")")
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
