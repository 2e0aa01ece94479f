//! Bodies as Go writes them (`protobuf.json`: objects, and what apimachinery's serializer makes of each, in base64).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::decode::decode;
use super::super::protobuf::{ProtobufError, from_protobuf};
use super::super::schema::Schema;

/// The objects with their bodies.
fn cases() -> Vec<(Value, Vec<u8>)> {
    let cases: Vec<Value> = serde_json::from_str(include_str!("protobuf.json")).unwrap();
    let body = |case: &Value| STANDARD.decode(case["protobuf"].as_str().unwrap()).unwrap();
    let case = |case: &Value| (case["object"].clone(), body(case));
    cases.iter().map(case).collect()
}

/// The object without what is zero in Go.
fn normal(mut object: Value) -> Value {
    let (api_version, kind) = (&object["apiVersion"], &object["kind"]);
    let (api_version, kind) = (api_version.as_str().unwrap(), kind.as_str().unwrap());
    let schema = Schema::get();
    let root = schema.kind(api_version, kind);
    let root = root.or_else(|| schema.kind_of_any(kind)).unwrap();
    let decoded = decode(root, &mut object);
    assert_eq!(decoded.error, None);
    assert_eq!(decoded.unknown, Vec::<String>::new());
    // Only the body itself says its kind in protobuf.
    let claims = object.pointer_mut("/spec/volumeClaimTemplates");
    for claim in claims.and_then(Value::as_array_mut).into_iter().flatten() {
        claim
            .as_object_mut()
            .unwrap()
            .retain(|name, _| name != "apiVersion" && name != "kind");
    }
    object
}

#[test]
fn what_go_writes_is_read_as_what_it_stands_for() {
    for (object, body) in cases() {
        let read = from_protobuf(&body).unwrap_or_else(|error| panic!("{error}: {object}"));
        assert_eq!(normal(read), normal(object));
    }
}

#[test]
fn a_body_that_breaks_off_or_has_a_wrong_bit_is_no_panic() {
    for (_, body) in cases() {
        for length in 0..body.len() {
            let _ = from_protobuf(&body[..length]);
        }
        for place in 0..body.len() {
            let mut body = body.clone();
            body[place] ^= 0x85;
            let _ = from_protobuf(&body);
        }
    }
    let (_, body) = cases().swap_remove(0);
    let cut = from_protobuf(&body[..body.len() - 5]);
    assert_eq!(cut, Err(ProtobufError::Broken("it breaks off")));
    assert!(matches!(
        from_protobuf(b"{}"),
        Err(ProtobufError::Broken(_))
    ));
}

#[test]
fn a_kind_that_is_not_built_in_is_refused_by_its_name() {
    let body = b"k8s\0\x0a\x1b\x0a\x0eexample.com/v1\x12\x09Something\x12\x00\x1a\x00\x22\x00";
    let refused = ProtobufError::Unknown("example.com/v1 Something".to_owned());
    assert_eq!(from_protobuf(body), Err(refused));
}

#[test]
fn messages_inside_of_each_other_have_an_end() {
    // Schemas in schemas: spec.versions.schema.openAPIV3Schema.not.not…
    let field = |number: u64, inner: Vec<u8>| {
        let mut bytes = Vec::new();
        for mut number in [number << 3 | 2, inner.len() as u64] {
            while number > 0x7f {
                bytes.push((number & 0x7f) as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
        }
        bytes.extend(inner);
        bytes
    };
    let schema = (0..1_000).fold(Vec::new(), |inner, _| field(28, inner));
    let spec = field(7, field(4, field(1, schema)));
    let kind = [
        field(1, b"apiextensions.k8s.io/v1".to_vec()),
        field(2, b"CustomResourceDefinition".to_vec()),
    ];
    let body = [field(1, kind.concat()), field(2, field(2, spec))];
    let body = [b"k8s\0".to_vec(), body.concat()].concat();
    let refused = ProtobufError::Broken("messages are too deep");
    assert_eq!(from_protobuf(&body), Err(refused));
}
