//! Functions of CEL that the library lacks without its calendar, KWOK's, and the fields of typed objects.

use std::cell::Cell;

use cel::common::types::{CelBool, CelDouble, CelInt, CelString, DYN_TYPE, INT_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::objects::Key;
use cel::{DeclarationError, Env, ExecutionError, Value};
use regex_lite::RegexBuilder;
use stagewright_go_template::duration;
use stagewright_go_template::time::Instant;

use super::quantity::Quantity;
use super::rewrite::{COUNTED, FIELD, HAS};
use super::values::{MOMENT, Moment, QUANTITY, SPAN, Span};

/// Parts of an expression that its loops may evaluate, turn by turn: the fuel of a decision must last for the other stages.
const PARTS: usize = 20_000;

thread_local! {
    /// What is left of them.
    static LEFT: Cell<usize> = const { Cell::new(PARTS) };
}

type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// Declares them.
pub fn add(env: &mut Env) -> Result<(), DeclarationError> {
    let text = || vec![STRING_TYPE.to_owned()];
    env.add_type(SPAN.to_owned())?;
    env.add_type(MOMENT.to_owned())?;
    env.add_type(QUANTITY.to_owned())?;
    env.add_overload("duration", "string_to_duration", text(), span)?;
    env.add_overload("timestamp", "string_to_timestamp", text(), moment)?;
    env.add_overload(
        "timestamp",
        "timestamp_to_timestamp",
        vec![MOMENT.to_owned()],
        first,
    )?;
    env.add_overload(
        "string",
        "duration_to_string",
        vec![SPAN.to_owned()],
        span_text,
    )?;
    env.add_overload(
        "string",
        "timestamp_to_string",
        vec![MOMENT.to_owned()],
        moment_text,
    )?;
    env.add_overload(
        "int",
        "timestamp_to_int",
        vec![MOMENT.to_owned()],
        moment_seconds,
    )?;
    env.add_overload("Quantity", "string_to_quantity", text(), quantity)?;
    env.add_overload(
        "Quantity",
        "quantity_to_quantity",
        vec![QUANTITY.to_owned()],
        first,
    )?;
    env.add_overload(
        "double",
        "quantity_to_double",
        vec![QUANTITY.to_owned()],
        quantity_float,
    )?;
    env.add_overload(
        "UnixSecond",
        "timestamp_unix",
        vec![MOMENT.to_owned()],
        unix,
    )?;
    env.add_overload(
        "@since",
        "object_since",
        vec![DYN_TYPE.to_owned(), MOMENT.to_owned()],
        since,
    )?;
    env.add_overload(
        "matches",
        "matches_text",
        vec![STRING_TYPE.to_owned(), STRING_TYPE.to_owned()],
        matches,
    )?;
    env.add_member_overload(
        "matches",
        "text_matches",
        STRING_TYPE.to_owned(),
        text(),
        matches,
    )?;
    env.add_overload(
        COUNTED,
        "counted",
        vec![DYN_TYPE.to_owned(), INT_TYPE.to_owned()],
        counted,
    )?;
    env.add_overload(
        FIELD,
        "field",
        vec![DYN_TYPE.to_owned(), STRING_TYPE.to_owned()],
        field,
    )?;
    env.add_overload(
        HAS,
        "has_field",
        vec![DYN_TYPE.to_owned(), STRING_TYPE.to_owned()],
        has,
    )
}

/// Before an expression is run.
pub fn begin() {
    LEFT.set(PARTS);
}

/// What a loop is about to go over.
fn counted<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let turn = taken::<CelInt>(&args, 1).map_or(1, |parts| *parts.inner());
    let turn = usize::try_from(turn).unwrap_or(usize::MAX);
    let range = first(args)?;
    if let Some(items) = range.as_iterable() {
        let mut items = items.iter();
        let mut left = LEFT.get();
        while items.next().is_some() {
            let less = left.checked_sub(turn);
            left = less.ok_or_else(|| {
                ExecutionError::function_error("loop", format!("more than {PARTS} parts of loops"))
            })?;
        }
        LEFT.set(left);
    }
    Ok(range)
}

fn text<'a>(args: &'a Args<'_, '_>, at: usize) -> &'a str {
    let found = args
        .get(at)
        .and_then(|value| value.downcast_ref::<CelString<'_>>());
    found.map_or("", |text| text.inner())
}

fn first<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    args.into_iter()
        .next()
        .ok_or_else(|| ExecutionError::invalid_argument_count(1, 0))
}

fn made<'b, 'v, T: Val + 'static>(name: &str, source: &str, value: Option<T>) -> Answer<'b, 'v> {
    match value {
        Some(value) => Ok(CowVal::owned(value)),
        None => Err(ExecutionError::function_error(
            name,
            format!("{source:?} is no {name}"),
        )),
    }
}

fn span<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    made(
        "duration",
        text(&args, 0),
        duration::parse(text(&args, 0)).map(Span),
    )
}

fn moment<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    made(
        "timestamp",
        text(&args, 0),
        Instant::parse(text(&args, 0)).map(|time| Moment(time.0)),
    )
}

fn quantity<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    made("Quantity", text(&args, 0), Quantity::parse(text(&args, 0)))
}

fn taken<T: Val + Copy + cel::common::value::StaticVal>(
    args: &Args<'_, '_>,
    at: usize,
) -> Option<T> {
    args.get(at)?.downcast_ref::<T>().copied()
}

fn span_text<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    // CEL writes seconds.
    let seconds = taken::<Span>(&args, 0).map_or(0, |span| span.0);
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    Ok(CowVal::owned(CelString::from(format!(
        "{}s",
        seconds as f64 / 1e9
    ))))
}

fn moment_text<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let nanos = taken::<Moment>(&args, 0).map_or(0, |moment| moment.0);
    Ok(CowVal::owned(CelString::from(Instant(nanos).rfc3339())))
}

fn moment_seconds<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let nanos = taken::<Moment>(&args, 0).map_or(0, |moment| moment.0);
    Ok(CowVal::owned(CelInt::from(Instant(nanos).seconds())))
}

fn quantity_float<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let float = taken::<Quantity>(&args, 0).map_or(0.0, Quantity::float);
    Ok(CowVal::owned(CelDouble::from(float)))
}

#[allow(clippy::cast_precision_loss, reason = "as KWOK has it")]
fn unix<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let nanos = taken::<Moment>(&args, 0).map_or(0, |moment| moment.0);
    Ok(CowVal::owned(CelDouble::from(nanos as f64 / 1e9)))
}

/// Seconds since an object was created.
#[allow(clippy::cast_precision_loss, reason = "as KWOK has it")]
fn since<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let now = taken::<Moment>(&args, 1).map_or(0, |moment| moment.0);
    let object: Option<Value> = args.first().and_then(|object| (&**object).try_into().ok());
    let created = object.as_ref().and_then(|object| match object {
        Value::Map(map) => match map.get(&Key::from("metadata"))? {
            Value::Map(metadata) => match metadata.get(&Key::from("creationTimestamp"))? {
                Value::String(text) => Instant::parse(text),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    match created {
        Some(created) => Ok(CowVal::owned(CelDouble::from(
            (now - created.0) as f64 / 1e9,
        ))),
        None => Err(ExecutionError::function_error(
            "SinceSecond",
            "the object has no creationTimestamp",
        )),
    }
}

fn matches<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let mut builder = RegexBuilder::new(text(&args, 1));
    builder.size_limit(256 * 1024);
    let regex = builder
        .build()
        .map_err(|error| ExecutionError::function_error("matches", error))?;
    Ok(CowVal::owned(CelBool::from(regex.is_match(text(&args, 0)))))
}

// === typed objects ===

const BOOLS: [&str; 14] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "unschedulable",
    "ready",
    "started",
    "stdin",
    "tty",
    "privileged",
    "optional",
    "readOnly",
    "shareProcessNamespace",
    "automountServiceAccountToken",
    "runAsNonRoot",
];
const NUMBERS: [&str; 13] = [
    "restartCount",
    "exitCode",
    "signal",
    "generation",
    "observedGeneration",
    "priority",
    "containerPort",
    "hostPort",
    "sizeBytes",
    "terminationGracePeriodSeconds",
    "activeDeadlineSeconds",
    "deletionGracePeriodSeconds",
    "tolerationSeconds",
];
const TIMES: [&str; 10] = [
    "creationTimestamp",
    "deletionTimestamp",
    "startTime",
    "lastTransitionTime",
    "lastProbeTime",
    "lastHeartbeatTime",
    "startedAt",
    "finishedAt",
    "timeAdded",
    "time",
];
const LISTS: [&str; 20] = [
    "containers",
    "initContainers",
    "ephemeralContainers",
    "conditions",
    "containerStatuses",
    "initContainerStatuses",
    "ephemeralContainerStatuses",
    "podIPs",
    "hostIPs",
    "addresses",
    "taints",
    "tolerations",
    "volumes",
    "images",
    "finalizers",
    "ownerReferences",
    "podCIDRs",
    "readinessGates",
    "env",
    "ports",
];
const MAPS: [&str; 8] = [
    "labels",
    "annotations",
    "nodeSelector",
    "capacity",
    "allocatable",
    "requests",
    "limits",
    "overhead",
];

/// Go's zero time.
const NEVER: i128 = -62_135_596_800 * 1_000_000_000;

/// The zero value of a field that is not there, by its name.
fn zero<'b, 'v>(name: &str) -> CowVal<'b, 'v> {
    if BOOLS.contains(&name) {
        return CowVal::owned(CelBool::from(false));
    }
    if NUMBERS.contains(&name) {
        return CowVal::owned(CelInt::from(0));
    }
    if TIMES.contains(&name) {
        return CowVal::owned(Moment(NEVER));
    }
    let empty = match (LISTS.contains(&name), MAPS.contains(&name)) {
        (true, _) => Some(Value::List(Default::default())),
        (_, true) => Some(Value::Map(cel::objects::Map {
            map: Default::default(),
        })),
        _ => None,
    };
    let empty: Option<Box<dyn Val>> = empty.and_then(|empty| empty.try_into().ok());
    match empty {
        Some(empty) => CowVal::Owned(empty),
        // A string, and a structure too: what is beneath it is zero again.
        None => CowVal::owned(CelString::from("")),
    }
}

fn found<'b, 'v>(target: CowVal<'b, 'v>, name: &CelString<'static>) -> Option<CowVal<'b, 'v>> {
    match target {
        CowVal::Borrowed(value) => value.as_indexer()?.get(name).ok(),
        CowVal::Owned(value) => value.into_indexer()?.steal(name).ok().map(CowVal::Owned),
    }
}

fn field<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let name = text(&args, 1).to_owned();
    let key = CelString::from(name.clone());
    let target = first(args)?;
    let Some(value) = found(target, &key) else {
        return Ok(zero(&name));
    };
    if TIMES.contains(&name.as_str()) {
        let time = value
            .downcast_ref::<CelString<'_>>()
            .map(|text| Instant::parse(text.inner()));
        if let Some(time) = time {
            return Ok(CowVal::owned(Moment(time.map_or(NEVER, |time| time.0))));
        }
    }
    Ok(value)
}

fn has<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let key = CelString::from(text(&args, 1).to_owned());
    let target = first(args)?;
    Ok(CowVal::owned(CelBool::from(found(target, &key).is_some())))
}
