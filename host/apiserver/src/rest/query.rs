//! The query of a request: the options of all verbs.

use crate::kinds::FieldValidation;
use crate::status::number::signed;
use crate::status::{FieldError, Status};

/// The longest name of a manager, in bytes.
pub(crate) const LONGEST_MANAGER: usize = 128;

/// What the query asks for. Names that the real server does not know are ignored there, and here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) label_selector: String,
    pub(crate) field_selector: String,
    pub(crate) limit: usize,
    pub(crate) continue_token: String,
    pub(crate) resource_version: String,
    pub(crate) resource_version_match: String,
    pub(crate) watch: bool,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: Option<bool>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) dry_run: Vec<String>,
    pub(crate) field_validation: String,
    pub(crate) field_manager: String,
    pub(crate) force: Option<bool>,
    pub(crate) include_object: String,
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) propagation_policy: Option<String>,
    pub(crate) orphan_dependents: Option<bool>,
}

// === impl Query ===

impl Query {
    /// Reads it.
    ///
    /// # Errors
    /// 400 for a number that is none.
    pub(crate) fn parse(query: &str) -> Result<Self, Status> {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let text = || value.clone().into_owned();
            match &*name {
                "labelSelector" => parsed.label_selector = text(),
                "fieldSelector" => parsed.field_selector = text(),
                "limit" => {
                    parsed.limit = usize::try_from(number(&value)?).unwrap_or(0);
                }
                "continue" => parsed.continue_token = text(),
                "resourceVersion" => parsed.resource_version = text(),
                "resourceVersionMatch" => parsed.resource_version_match = text(),
                "watch" => parsed.watch = truth(&value),
                "allowWatchBookmarks" => parsed.bookmarks = truth(&value),
                "sendInitialEvents" => parsed.send_initial_events = Some(truth(&value)),
                "timeoutSeconds" => {
                    parsed.timeout_seconds = u64::try_from(number(&value)?).ok();
                }
                "dryRun" => parsed.dry_run.push(text()),
                "fieldValidation" => parsed.field_validation = text(),
                "fieldManager" => parsed.field_manager = text(),
                "force" => parsed.force = Some(truth(&value)),
                "includeObject" => parsed.include_object = text(),
                "gracePeriodSeconds" => parsed.grace_period_seconds = Some(number(&value)?),
                "propagationPolicy" => parsed.propagation_policy = Some(text()),
                "orphanDependents" => parsed.orphan_dependents = Some(truth(&value)),
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// Whether nothing is to be stored.
    pub(crate) fn is_dry_run(&self) -> bool {
        !self.dry_run.is_empty()
    }

    /// What becomes of unknown fields.
    pub(crate) fn validation(&self) -> FieldValidation {
        match self.field_validation.as_str() {
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            _ => FieldValidation::Warn,
        }
    }

    /// Checks what all writes have in common; `kind` is that of the verb's options.
    ///
    /// # Errors
    /// 422, as the real server has it.
    pub(crate) fn check_write(&self, kind: &str) -> Result<(), Status> {
        let mut errors = Vec::new();
        if kind == "PatchOptions" && self.force.is_some() {
            errors.push(FieldError::forbidden(
                "force",
                "may not be specified for non-apply patch",
            ));
        }
        self.refuse_write(kind, errors)
    }

    /// Checks the options of server-side apply.
    ///
    /// # Errors
    /// 422, as the real server has it.
    pub(crate) fn check_apply(&self) -> Result<(), Status> {
        let mut errors = Vec::new();
        if self.field_manager.is_empty() {
            errors.push(FieldError::required(
                "fieldManager",
                "is required for apply patch",
            ));
        }
        self.refuse_write("PatchOptions", errors)
    }

    fn refuse_write(&self, kind: &str, mut errors: Vec<FieldError>) -> Result<(), Status> {
        errors.extend(check_manager(&self.field_manager));
        errors.extend(check_dry_run(&self.dry_run));
        if !["", "Ignore", "Warn", "Strict"].contains(&self.field_validation.as_str()) {
            errors.push(FieldError::not_supported(
                "fieldValidation",
                &self.field_validation.as_str().into(),
                &["", "Ignore", "Strict", "Warn"],
            ));
        }
        refuse_options(kind, &errors)
    }

    /// Checks the options of a list or a watch.
    ///
    /// # Errors
    /// 422, as the real server has it.
    pub(crate) fn check_list(&self) -> Result<(), Status> {
        let errors = if self.watch {
            self.watch_errors()
        } else {
            self.list_errors()
        };
        refuse_options("ListOptions", &errors)
    }

    fn list_errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let forbidden = FieldError::forbidden;
        let matching = self.resource_version_match.as_str();
        if !matching.is_empty() {
            let field = "resourceVersionMatch";
            if self.resource_version.is_empty() {
                errors.push(forbidden(
                    field,
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                ));
            }
            if !self.continue_token.is_empty() {
                errors.push(forbidden(
                    field,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
            if !["Exact", "NotOlderThan"].contains(&matching) {
                errors.push(FieldError::not_supported(
                    field,
                    &matching.into(),
                    &["Exact", "NotOlderThan", ""],
                ));
            }
            if matching == "Exact" && self.resource_version == "0" {
                errors.push(forbidden(
                    field,
                    "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
                ));
            }
        }
        if self.send_initial_events.is_some() {
            errors.push(forbidden(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for list",
            ));
        }
        errors
    }

    fn watch_errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let field = "resourceVersionMatch";
        let mut matching = self.resource_version_match.as_str();
        let mut sends = self.send_initial_events.is_some();
        // Whoever asks for any state is sent what there is, as if that had been said.
        if !sends && matching.is_empty() && ["", "0"].contains(&self.resource_version.as_str()) {
            (sends, matching) = (true, "NotOlderThan");
        }
        let newer = matching == "NotOlderThan";
        if sends && !newer {
            errors.push(FieldError::forbidden(
                field,
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ));
        }
        if !matching.is_empty() {
            if !sends {
                errors.push(FieldError::forbidden(
                    field,
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                ));
            }
            if !newer {
                errors.push(FieldError::not_supported(
                    field,
                    &matching.into(),
                    &["NotOlderThan"],
                ));
            }
            if !self.continue_token.is_empty() {
                errors.push(FieldError::forbidden(
                    field,
                    "resourceVersionMatch is forbidden when continue is provided",
                ));
            }
        }
        errors
    }
}

/// What is wrong with a manager's name.
fn check_manager(name: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if name.len() > LONGEST_MANAGER {
        errors.push(FieldError::too_long("fieldManager", LONGEST_MANAGER));
    }
    let unprintable = name
        .char_indices()
        .filter(|(_, letter)| letter.is_control() || (letter.is_whitespace() && *letter != ' '));
    errors.extend(unprintable.map(|(at, letter)| {
        let why = format!(
            "invalid character U+{:04X} (at position {at})",
            u32::from(letter)
        );
        FieldError::invalid("fieldManager", &name.into(), &why)
    }));
    errors
}

/// What is wrong with a list of dry-run stages; `All` is the only one there is.
pub(crate) fn check_dry_run(stages: &[String]) -> Option<FieldError> {
    let known = stages.iter().all(|stage| stage == "All");
    (!known).then(|| FieldError::not_supported("dryRun", &serde_json::json!(stages), &["All"]))
}

/// 422 about an options object, if there are errors.
pub(crate) fn refuse_options(kind: &str, errors: &[FieldError]) -> Result<(), Status> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Status::invalid_kind("meta.k8s.io", kind, "", errors))
    }
}

/// As the real server reads flags: there, and not "false" or "0".
fn truth(value: &str) -> bool {
    value != "0" && !value.eq_ignore_ascii_case("false")
}

fn number(value: &str) -> Result<i64, Status> {
    signed("ParseInt", value).map_err(Status::bad_request)
}
