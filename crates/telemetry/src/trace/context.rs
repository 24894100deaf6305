//! The context that a request or an event carries: `00-TRACE-SPAN-FLAGS`.

/// Place of a span: its trace, and itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never all zero in a context that was read.
    pub trace_id: [u8; 16],
    /// The span; likewise.
    pub span_id: [u8; 8],
}

impl TraceContext {
    /// Reads a `traceparent`, and whether its trace is sampled. Of versions to come the part that
    /// all versions share is read.
    #[must_use]
    pub fn parse(text: &str) -> Option<(Self, bool)> {
        let bytes = text.as_bytes();
        let (head, rest) = bytes.split_at_checked(55)?;
        let version = hex::<1>(head.get(..2)?)?[0];
        let is_whole =
            if version == 0 { rest.is_empty() } else { rest.first().is_none_or(|&b| b == b'-') };
        let dashes = [2, 35, 52].into_iter().all(|at| head.get(at) == Some(&b'-'));
        if version == 0xFF || !is_whole || !dashes {
            return None;
        }
        let context = Self { trace_id: hex(head.get(3..35)?)?, span_id: hex(head.get(36..52)?)? };
        let flags = hex::<1>(head.get(53..55)?)?[0];
        let is_valid = context.trace_id != [0; 16] && context.span_id != [0; 8];
        is_valid.then_some((context, flags & 1 == 1))
    }
}

/// Lower-case hexadecimal, two digits a byte.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    (digits.len() == 2 * N).then_some(bytes)
}
