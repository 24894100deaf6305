//! What the consumers of a form are told of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tidings_event::{avro_schema, v1};

use crate::cluster::Schema;
use crate::settings::Form;

/// The schema of the messages of a form; always the same bytes for the same version of the event.
pub(crate) fn schema(form: Form) -> Schema {
    match form {
        Form::Json => Schema::Json { record: avro_schema().to_string().into() },
        Form::Protobuf => {
            let document = json!({
                "fileDescriptorSet": STANDARD.encode(v1::EVENT_DESCRIPTORS),
                "rootMessageTypeName": v1::EVENT_MESSAGE,
                "rootFileDescriptorName": v1::EVENT_FILE,
            });
            Schema::Protobuf { descriptors: document.to_string().into() }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use serde_json::Value;

    use super::{STANDARD, schema};
    use crate::cluster::Schema;
    use crate::settings::Form;

    #[test]
    fn each_form_has_the_schema_of_its_kind() {
        let Schema::Json { record } = schema(Form::Json) else { panic!("it is JSON") };
        let record: Value = serde_json::from_slice(&record).unwrap();
        assert_eq!((&record["type"], &record["name"]), (&"record".into(), &"Event".into()));
        let Schema::Protobuf { descriptors } = schema(Form::Protobuf) else { panic!("it is not") };
        let document: Value = serde_json::from_slice(&descriptors).unwrap();
        let set = document["fileDescriptorSet"].as_str().unwrap();
        assert_eq!(STANDARD.decode(set).unwrap(), tidings_event::v1::EVENT_DESCRIPTORS);
        assert_eq!(document["rootMessageTypeName"], "tidings.v1.Event");
    }
}
