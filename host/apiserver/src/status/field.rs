//! What is wrong with one field of an object (apimachinery, `pkg/util/validation/field/errors.go`).

/// One thing that validation found (`field.Error` in apimachinery, `pkg/util/validation/field`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Which sort of error.
    pub sort: FieldErrorSort,
    /// `spec.containers[0].name`.
    pub field: String,
    /// The sort's words, with the value and what is wrong with it.
    pub body: String,
}

/// The sorts of `field.Error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldErrorSort {
    /// A reference to what is not there.
    NotFound,
    /// It is missing.
    Required,
    /// Once more the same.
    Duplicate,
    /// The value breaks a rule.
    Invalid,
    /// None of the values that may stand there.
    NotSupported,
    /// It may not stand here, or not change.
    Forbidden,
    /// Longer than it may be.
    TooLong,
    /// More items than there may be.
    TooMany,
    /// Fewer items than there must be.
    TooFew,
    /// Of another type.
    TypeInvalid,
}

// === impl FieldError ===

impl FieldError {
    /// `Required value`, with an explanation or without.
    #[must_use]
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::without_value(FieldErrorSort::Required, field, "Required value", detail)
    }

    /// `Forbidden`, with the reason.
    #[must_use]
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::without_value(FieldErrorSort::Forbidden, field, "Forbidden", detail)
    }

    /// `Invalid value`. Texts are shown in quotes, all else as JSON.
    #[must_use]
    pub fn invalid(field: impl Into<String>, value: &serde_json::Value, detail: &str) -> Self {
        Self::with_value(
            FieldErrorSort::Invalid,
            field,
            "Invalid value",
            value,
            detail,
        )
    }

    /// `Duplicate value`, with an explanation or without.
    #[must_use]
    pub fn duplicate(field: impl Into<String>, value: &serde_json::Value, detail: &str) -> Self {
        Self::with_value(
            FieldErrorSort::Duplicate,
            field,
            "Duplicate value",
            value,
            detail,
        )
    }

    /// `Unsupported value`, with those that are supported.
    #[must_use]
    pub fn not_supported(
        field: impl Into<String>,
        value: &serde_json::Value,
        supported: &[&str],
    ) -> Self {
        let names: Vec<String> = supported.iter().map(|name| format!("{name:?}")).collect();
        let detail = if names.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", names.join(", "))
        };
        Self::with_value(
            FieldErrorSort::NotSupported,
            field,
            "Unsupported value",
            value,
            &detail,
        )
    }

    /// `Too long`, with the number of bytes that it may have.
    #[must_use]
    pub fn too_long(field: impl Into<String>, most: usize) -> Self {
        let detail = format!("may not be more than {most} bytes");
        Self::without_value(FieldErrorSort::TooLong, field, "Too long", &detail)
    }

    /// `Too many`, with how many there are and how many there may be.
    #[must_use]
    pub fn too_many(field: impl Into<String>, count: usize, most: usize) -> Self {
        Self::with_value(
            FieldErrorSort::TooMany,
            field,
            "Too many",
            &count.into(),
            &format!("must have at most {most} items"),
        )
    }

    /// `Invalid value`, where the value is too much to be shown.
    #[must_use]
    pub fn invalid_somehow(field: impl Into<String>, detail: &str) -> Self {
        Self::without_value(FieldErrorSort::Invalid, field, "Invalid value", detail)
    }

    /// `Not found`: a reference to what is not there, with an explanation or without.
    #[must_use]
    pub fn not_found(field: impl Into<String>, value: &serde_json::Value, detail: &str) -> Self {
        Self::with_value(FieldErrorSort::NotFound, field, "Not found", value, detail)
    }

    fn without_value(
        sort: FieldErrorSort,
        field: impl Into<String>,
        words: &str,
        detail: &str,
    ) -> Self {
        let body = if detail.is_empty() {
            words.to_owned()
        } else {
            format!("{words}: {detail}")
        };
        Self {
            sort,
            field: field.into(),
            body,
        }
    }

    fn with_value(
        sort: FieldErrorSort,
        field: impl Into<String>,
        words: &str,
        value: &serde_json::Value,
        detail: &str,
    ) -> Self {
        Self::without_value(sort, field, &format!("{words}: {value}"), detail)
    }
}

// === impl FieldErrorSort ===

impl FieldErrorSort {
    /// The word in a cause.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TooFew => "FieldValueTooFew",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }
}
