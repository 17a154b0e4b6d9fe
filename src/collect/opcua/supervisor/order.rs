//! Orders to a server: the call of a method.
//!
//! ```json
//! {"object": "ns=2;s=Oven", "method": "ns=2;s=Oven.Start", "arguments": [{"type": "Double", "value": 21.5}]}
//! ```
//! An argument without a type is a Boolean, an Int64, a Double or a String, as JSON says it.
//!
//! *Invariant.* An order is tried once. Whoever gave it hears what the server said, or that this is
//! not known.

use std::sync::Arc;

use opcua::client::Session;
use opcua::types::{ByteString, CallMethodRequest, StatusCode, Variant, VariantScalarTypeId};
use serde::Deserialize;
use serde_json::{Value, json};
use tacitus_protocol::opcua::NodeName;

use super::super::super::{Order, Unfulfilled};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    object: String,
    method: String,
    #[serde(default)]
    arguments: Vec<Value>,
}

/// Carries an order out and answers it.
pub(super) async fn carry_out(session: Arc<Session>, namespaces: Vec<String>, order: Order) {
    let outcome = call(&session, &namespaces, order.what).await;
    // Who gave the order may be gone.
    drop(order.answer.send(outcome));
}

async fn call(session: &Session, namespaces: &[String], what: Value) -> Result<Value, Unfulfilled> {
    let call: Call =
        serde_json::from_value(what).map_err(|error| Unfulfilled::Wrong(error.to_string()))?;
    let node = |text: &str| {
        let name: NodeName = text
            .parse()
            .map_err(|error| Unfulfilled::Wrong(format!("\"{text}\" is not a node: {error}")))?;
        name.resolve(namespaces).ok_or_else(|| {
            Unfulfilled::Wrong(format!("the server does not have the namespace of \"{text}\""))
        })
    };
    let arguments = call.arguments.iter().map(argument).collect::<Result<Vec<_>, _>>()?;
    let request = CallMethodRequest {
        object_id: node(&call.object)?,
        method_id: node(&call.method)?,
        input_arguments: Some(arguments),
    };
    let result =
        session.call_one(request).await.map_err(|error| Unfulfilled::Unknown(error.to_string()))?;
    if result.status_code.is_bad() {
        return Err(Unfulfilled::Refused(reason(result.status_code)));
    }
    let outputs = result.output_arguments.unwrap_or_default();
    let outputs: Vec<Value> = outputs.iter().map(|value| json!(shown(value))).collect();
    Ok(json!({"status": result.status_code.to_string(), "outputs": outputs}))
}

fn reason(status: StatusCode) -> String {
    format!("the server refused the call: {status}")
}

fn argument(value: &Value) -> Result<Variant, Unfulfilled> {
    if let Value::Object(members) = value {
        let wrong = |text: &str| Unfulfilled::Wrong(format!("the argument {value} {text}"));
        let kind = members.get("type").and_then(Value::as_str);
        let kind = kind.and_then(type_of).ok_or_else(|| wrong("has no known type"))?;
        let plain = plain(members.get("value").unwrap_or(&Value::Null))?;
        if kind == VariantScalarTypeId::ByteString {
            let bytes = bytes(&plain).ok_or_else(|| wrong("is not written in hexadecimal"))?;
            return Ok(Variant::from(ByteString::from(bytes)));
        }
        return match plain.convert(kind) {
            Variant::Empty => match plain.cast(kind) {
                Variant::Empty => Err(wrong("does not fit its type")),
                cast => Ok(cast),
            },
            converted => Ok(converted),
        };
    }
    plain(value)
}

fn plain(value: &Value) -> Result<Variant, Unfulfilled> {
    Ok(match value {
        Value::Null => Variant::Empty,
        Value::Bool(fact) => Variant::from(*fact),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Variant::from(whole),
            None => Variant::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Variant::from(text.as_str()),
        Value::Array(_) | Value::Object(_) => {
            let text = "arguments are numbers, texts, true or false".to_owned();
            return Err(Unfulfilled::Wrong(text));
        }
    })
}

/// The bytes of a text in hexadecimal, as the `event_id` of an event is written.
fn bytes(text: &Variant) -> Option<Vec<u8>> {
    let Variant::String(text) = text else { return None };
    let digits: Vec<u32> = text.as_ref().chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let byte = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |high, low| high * 16 + low)).ok();
    pairs.map(byte).collect::<Option<Vec<u8>>>().filter(|_| whole)
}

fn type_of(word: &str) -> Option<VariantScalarTypeId> {
    use VariantScalarTypeId as Id;
    Some(match word {
        "Boolean" => Id::Boolean,
        "SByte" => Id::SByte,
        "Byte" => Id::Byte,
        "Int16" => Id::Int16,
        "UInt16" => Id::UInt16,
        "Int32" => Id::Int32,
        "UInt32" => Id::UInt32,
        "Int64" => Id::Int64,
        "UInt64" => Id::UInt64,
        "Float" => Id::Float,
        "Double" => Id::Double,
        "String" => Id::String,
        "DateTime" => Id::DateTime,
        "Guid" => Id::Guid,
        "NodeId" => Id::NodeId,
        "ByteString" => Id::ByteString,
        "LocalizedText" => Id::LocalizedText,
        _ => return None,
    })
}

/// An output: a number, a fact or a text where it is one, and as text otherwise.
fn shown(value: &Variant) -> Value {
    match value {
        Variant::Empty => Value::Null,
        Variant::Boolean(fact) => json!(fact),
        Variant::Int64(number) => json!(number),
        Variant::UInt64(number) => json!(number),
        Variant::String(text) => json!(text.as_ref()),
        Variant::LocalizedText(text) => json!(text.text.as_ref()),
        other => match other.as_f64() {
            Some(number) => json!(number),
            None => json!(other.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::LocalizedText;

    #[test]
    fn arguments_have_the_type_that_is_said_or_the_one_of_json() {
        for (text, want) in [
            ("true", Variant::Boolean(true)),
            ("3", Variant::Int64(3)),
            ("2.5", Variant::Double(2.5)),
            ("\"on\"", Variant::from("on")),
            (r#"{"type": "Double", "value": 3}"#, Variant::Double(3.0)),
            (r#"{"type": "UInt16", "value": 7}"#, Variant::UInt16(7)),
            (r#"{"type": "Float", "value": 2.5}"#, Variant::Float(2.5)),
            (
                r#"{"type": "ByteString", "value": "ab01"}"#,
                Variant::from(ByteString::from(&[0xab_u8, 1])),
            ),
            (
                r#"{"type": "LocalizedText", "value": "on my way"}"#,
                Variant::from(LocalizedText::new("", "on my way")),
            ),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(argument(&value).unwrap(), want, "{text}");
        }
        for text in [
            "[1]",
            r#"{"type": "Byte", "value": 300}"#,
            r#"{"type": "Odd", "value": 1}"#,
            r#"{"type": "ByteString", "value": "ab0"}"#,
            r#"{"type": "ByteString", "value": "xy"}"#,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(matches!(argument(&value), Err(Unfulfilled::Wrong(_))), "{text}");
        }
    }
}
