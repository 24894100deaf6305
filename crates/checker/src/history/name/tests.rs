//! Names are texts, and equal ones share their copy while a history is read.

use std::sync::Arc;

use super::{Name, sharing};

fn read(json: &str) -> Vec<Name> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn equal_names_of_one_reading_share_their_text() {
    let text = r#"["a", "b\n", "a"]"#;
    for (names, shared) in [(sharing(|| read(text)), true), (read(text), false)] {
        assert_eq!(names, ["a".into(), "b\n".into(), Name::from("a".to_owned())]);
        assert_eq!(Arc::ptr_eq(&names[0].0, &names[2].0), shared);
        assert_eq!(serde_json::to_string(&names).unwrap(), r#"["a","b\n","a"]"#);
    }
    assert!(serde_json::from_str::<Name>("1").is_err());
}
