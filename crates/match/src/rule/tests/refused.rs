//! Wrong filters: which code, at which byte, and what the hint says.

use tidings_event::Code::{self, FilterInvalid as Invalid, FilterType as Mistyped};

use super::super::Filter;

/// Text, code, offset, and what must stand in the hint (or, without a hint, in the detail).
type Row = (&'static str, Code, u64, &'static str);

const TABLE: &[Row] = &[
    ("", Invalid, 0, "the text ends"),
    ("   ", Invalid, 3, "the text ends"),
    ("instrument = \"A\"", Invalid, 11, "write =="),
    ("instrument == \"A", Invalid, 14, "close it"),
    ("instrument == \"A\\q\"", Invalid, 16, "\\u and four digits"),
    ("instrument == \"\\ud800\"", Invalid, 15, "digits"),
    ("instrument == “A”", Invalid, 14, "straight quotes"),
    ("instrument == \"A\u{1}\"", Invalid, 16, "escape it"),
    ("instrument == r\"A\"", Invalid, 14, "raw or byte"),
    ("is_final & true", Invalid, 9, "write &&"),
    ("is_final | true", Invalid, 9, "write ||"),
    ("is_final and true", Invalid, 9, "write &&"),
    ("is_final && not true", Invalid, 12, "! for not"),
    ("is_final &&", Invalid, 11, "the text ends"),
    ("&& is_final", Invalid, 0, "`&&`"),
    ("(is_final", Invalid, 9, "`)`"),
    ("is_final)", Invalid, 8, "`)`"),
    ("values.", Invalid, 7, "a name"),
    ("values[\"a\" > 1", Invalid, 14, "`]`"),
    ("priority > 1u", Invalid, 12, "write numbers as"),
    ("priority > 0x10", Invalid, 12, "write numbers as"),
    ("priority > 9007199254740993", Invalid, 11, "2^53"),
    ("priority > 1e999", Invalid, 11, "2^53"),
    ("priority % 2 == 0", Invalid, 9, "+ - * and /"),
    ("priority == null", Invalid, 12, "has(…)"),
    ("{\"a\": 1}", Invalid, 0, "maps"),
    ("is_final # yes", Invalid, 9, "comments"),
    ("`a` == 1", Invalid, 0, "values[\"name\"]"),
    ("instrument.matches(\"A.*\")", Invalid, 11, "regular expressions"),
    ("targets.exists(t, t == \"x\")", Invalid, 8, "lists are not walked"),
    ("instrument.startWith(\"A\")", Invalid, 11, "did you mean `startsWith`?"),
    ("instrument.upper() == \"A\"", Invalid, 11, "there are has, size"),
    ("startsWith(instrument, \"A\")", Invalid, 0, "instrument.startsWith"),
    ("has() && true", Invalid, 0, "has(labels.desk)"),
    ("size() == 1", Invalid, 0, "takes one value"),
    ("is_final ? true", Invalid, 15, "`:`"),
    ("priority > 2 / 0", Invalid, 15, "no finite result"),
    ("rsi_14 < 30", Mistyped, 0, "values.rsi_14"),
    ("instrumnt == \"A\"", Mistyped, 0, "did you mean `instrument`?"),
    ("is_final && symbol == \"A\"", Mistyped, 12, "docs/spec/rules.md"),
    ("anomaly.zscore > 3", Mistyped, 8, "did you mean `anomaly.z_score`?"),
    ("anomaly > 3", Mistyped, 0, "anomaly.type"),
    ("labels == \"x\"", Mistyped, 0, "labels.desk"),
    ("values > 1", Mistyped, 0, "values.rsi_14"),
    ("summary.risk > 1", Mistyped, 0, "summary.risk[\"rsi_14\"]"),
    ("values.macd_12_26_9.line > 0", Mistyped, 20, "values[\"macd_12_26_9.line\"]"),
    ("patterns.type == \"x\"", Mistyped, 0, "did you mean `pattern.type`?"),
    ("now - produced_at > duration(\"5m\")", Mistyped, 0, "timestamp"),
    ("instrument == 5", Mistyped, 14, "without quotes"),
    ("values.rsi_14 < \"30\"", Mistyped, 16, "without quotes"),
    ("produced_at > \"2026-01-02\"", Mistyped, 14, "timestamp("),
    ("produced_at > timestamp(\"2026-01-02\")", Mistyped, 24, "2026-01-02T03:04:05Z"),
    ("produced_at - interval_end > 5", Mistyped, 29, "duration(\"5m\")"),
    ("produced_at - interval_end > duration(\"5 m\")", Mistyped, 38, "1h30m"),
    ("produced_at + interval_end > duration(\"5m\")", Mistyped, 14, "times and durations"),
    ("kind == \"ANOMALIES\"", Mistyped, 8, "INDICATORS, PATTERNS, ANOMALY"),
    ("severity >= \"high\"", Mistyped, 12, "LOW, MEDIUM, HIGH, CRITICAL"),
    ("severity in [\"HIGH\", \"TOP\"]", Mistyped, 21, "LOW, MEDIUM"),
    ("kind > \"ANOMALY\"", Mistyped, 7, "== or !="),
    ("id == \"7\"", Mistyped, 6, "UUID"),
    ("region == \"\"", Mistyped, 10, "!has(…)"),
    ("instrument", Mistyped, 0, "compare it"),
    ("is_final && priority", Mistyped, 12, "compare it"),
    ("priority + 1", Mistyped, 0, "compare it"),
    ("[1]", Mistyped, 0, "compare it"),
    ("!priority", Mistyped, 1, "compare it"),
    ("-instrument == \"A\"", Mistyped, 1, "a text"),
    ("instrument + \"A\" == \"AA\"", Mistyped, 13, "numbers take"),
    ("is_final == anomaly.alert_required", Mistyped, 12, "a && b"),
    ("(priority > 1) == true", Mistyped, 0, "&& || and !"),
    ("1 < priority < 5", Mistyped, 0, "&& || and !"),
    ("\"x\" in instrument", Mistyped, 7, "in [\"a\", \"b\"]"),
    ("priority in targets", Mistyped, 0, "a list of texts"),
    ("targets in [\"x\"]", Mistyped, 0, "\"a\" in list"),
    ("targets == \"x\"", Mistyped, 11, "a list of texts"),
    ("instrument in [venue]", Mistyped, 15, "x == a || x == b"),
    ("priority in [1, \"2\"]", Mistyped, 16, "without quotes"),
    ("targets[0] == \"x\"", Mistyped, 8, "\"x\" in list"),
    ("size(priority) == 1", Mistyped, 5, "a number"),
    ("has(priority > 1)", Mistyped, 4, "has(labels.desk)"),
    ("priority.contains(\"1\")", Mistyped, 0, "a number"),
    ("timestamp(instrument) > produced_at", Mistyped, 10, "quotes"),
    ("(is_final ? 1 : 2) > priority", Mistyped, 0, "c ? x > 1"),
    ("é == 1", Invalid, 0, "no meaning"),
    ("instrument == \"é\" && x", Mistyped, 22, "docs/spec/rules.md"),
];

#[test]
fn wrong_filters_are_refused_where_they_are_wrong() {
    let mut wrong = Vec::new();
    for (text, code, offset, hint) in TABLE {
        let refusal = match Filter::compile(text) {
            Ok(filter) => {
                wrong.push(format!("{text} compiles: {}", filter.canonical()));
                continue;
            }
            Err(refusal) => refusal,
        };
        let said = if refusal.hint.is_empty() { &refusal.detail } else { &refusal.hint };
        let is_right = refusal.code == *code
            && refusal.offset == Some(*offset)
            && refusal.field == "filter"
            && (said.contains(hint) || refusal.detail.contains(hint));
        if !is_right {
            wrong.push(format!("{text}\n  {refusal}\n  instead of {code} at {offset}, {hint}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
