//! Lists and watches of a script: selections, pages, revisions of the past and of the future, and what the server has forgotten.

use serde_json::json;

use super::RUN;
use super::script::{Kind, exchange, get};
use crate::recorded::replay::{COMPACT, Exchange, FUTURE, WATCH};
use crate::scenario;
use crate::simulator::dice::Dice;

const LABEL_SELECTORS: [&str; 8] = [
    "tier%3Dred",
    "tier%21%3Dred",
    "tier+in+%28red%2Cblue%29",
    "tier+notin+%28blue%29",
    "tier",
    "%21tier",
    "tier%3D%3Dblue%2Cmore",
    "tier%3D%3D%3Dred",
];
const FIELD_SELECTORS: [&str; 6] = [
    "metadata.name%3D@name",
    "metadata.name%21%3D@name",
    "metadata.namespace%3DRUN",
    "spec.nodeName%3Dn-1",
    "spec.nosuch%3D1",
    "metadata.name",
];
const LIMITS: [&str; 8] = ["1", "1", "1", "2", "0", "-1", "x", ""];
const VERSIONS: [&str; 9] = [
    "@listed", "@listed", "@listed", "@start", "0", "x", "-1", "+1", "",
];
const MATCHES: [&str; 8] = [
    "",
    "",
    "&resourceVersionMatch=Exact",
    "&resourceVersionMatch=Exact",
    "&resourceVersionMatch=NotOlderThan",
    "&resourceVersionMatch=NotOlderThan",
    "&resourceVersionMatch=Odd",
    "&resourceVersionMatch=",
];
/// Tokens that servers gave, and those that none gives: no base64; no JSON; `{}`; of another form; without a revision; without a place;
/// with a place elsewhere; with the place after `a` and no certain revision.
const TOKENS: [&str; 12] = [
    "@continue",
    "@continue",
    "@continue",
    "@continue",
    "abc%21",
    "eA",
    "e30",
    "eyJ2IjoidjIiLCJydiI6MSwic3RhcnQiOiJhIn0",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MCwic3RhcnQiOiJhIn0",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiIn0",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiLi4veCJ9",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiYVx1MDAwMCJ9",
];
const WATCHES: [&str; 14] = [
    "resourceVersion=@listed",
    "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=@listed",
    "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
    "sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
    "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=@listed",
    "sendInitialEvents=true",
    "sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=@listed",
    "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=abc",
    "resourceVersionMatch=NotOlderThan&resourceVersion=@listed",
    "resourceVersion=x",
    "resourceVersion=0",
    "resourceVersion=0&allowWatchBookmarks=true",
    "limit=1&resourceVersion=@listed",
    "continue=abc",
];
/// What is asked of a revision that is not there yet; `@future` stands for it.
const AHEAD: [&str; 6] = [
    "resourceVersion=@future",
    "resourceVersion=@future&resourceVersionMatch=NotOlderThan",
    "resourceVersion=@future&resourceVersionMatch=Exact",
    "resourceVersion=@future&limit=2",
    "resourceVersion=@future&fieldSelector=metadata.name%3Da",
    "resourceVersion=@future&resourceVersionMatch=Exact&fieldSelector=metadata.name%3Da",
];
/// (One with `sendInitialEvents` ends there with an error after some seconds, if its own time is not over before.)
const WATCHES_AHEAD: [&str; 2] = [
    "resourceVersion=@future",
    "resourceVersion=@future&allowWatchBookmarks=true",
];

impl Kind {
    /// A list of some sort, after what makes its answer a certain one.
    pub(super) fn list(&self, name: &str, dice: &mut Dice) -> Vec<Exchange> {
        let mut query = self.selection(name, dice);
        let mut add = |option: &str| {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(option);
        };
        let sort = dice.number(0..=3);
        let mut refreshed = false;
        // Of cluster-wide kinds the real server has other scripts' objects too, so its pages end elsewhere.
        if self.namespaced && (sort == 1 || dice.permille(400)) {
            add(&format!("limit={}", dice.pick(&LIMITS)));
        }
        if sort == 2 || dice.permille(100) {
            let matching = dice.pick(&MATCHES);
            // What is not older than a revision may be any state since, so the real server's cache is brought up to date.
            refreshed = !matching.ends_with("Exact");
            add(&format!(
                "resourceVersion={}{matching}",
                dice.pick(&VERSIONS)
            ));
        }
        if sort == 3 {
            add(&format!("continue={}", dice.pick(&TOKENS)));
        }
        let path = format!("{}?{query}", self.collection());
        let list = get(path.trim_end_matches('?'));
        if refreshed {
            vec![self.refresh(), list]
        } else {
            vec![list]
        }
    }

    /// One object, perhaps of some revision or after it.
    pub(super) fn one(&self, path: &str, dice: &mut Dice) -> Vec<Exchange> {
        if dice.permille(500) {
            return vec![get(path)];
        }
        let version = dice.pick(&VERSIONS);
        vec![
            self.refresh(),
            get(&format!("{path}?resourceVersion={version}")),
        ]
    }

    fn selection(&self, name: &str, dice: &mut Dice) -> String {
        let own = format!("labelSelector=run%3D{RUN}");
        match (dice.number(0..=3), self.namespaced) {
            (0, true) => format!("labelSelector={}", dice.pick(&LABEL_SELECTORS)),
            (0, false) => format!("{own}%2C{}", dice.pick(&LABEL_SELECTORS)),
            (1, namespaced) => {
                let selector = dice.pick(&FIELD_SELECTORS).replace("@name", name);
                let own = if namespaced { "" } else { &own };
                format!("{own}&fieldSelector={selector}")
                    .trim_start_matches('&')
                    .to_owned()
            }
            (_, true) => String::new(),
            (_, false) => own,
        }
    }

    /// The list of all, as it is now.
    fn refresh(&self) -> Exchange {
        get(&format!("{}?labelSelector=run%3D{RUN}", self.collection()))
    }

    /// All that happened to the script's objects, what somebody saw of it who asked for some of them, who began otherwise, and who asks
    /// for what is yet to come.
    pub(super) fn watches(&self, dice: &mut Dice) -> Vec<Exchange> {
        let watch = |options: &str, more: &str| {
            let path = format!(
                "{}?watch=1&{options}&timeoutSeconds=1&labelSelector=run%3D{RUN}{more}",
                self.collection()
            );
            exchange(WATCH, path, None)
        };
        let ahead = |options: &str| options.replace("@future", FUTURE);
        let list_ahead = get(&format!(
            "{}?{}&labelSelector=run%3D{RUN}",
            self.collection(),
            ahead(dice.pick(&AHEAD))
        ));
        vec![
            watch("resourceVersion=@start", ""),
            watch("resourceVersion=@start", "%2Ctier%3Dred"),
            watch(dice.pick(&WATCHES), ""),
            watch(dice.pick(&WATCHES), "%2Ctier"),
            watch(&ahead(dice.pick(&WATCHES_AHEAD)), ""),
            list_ahead,
        ]
    }

    /// What is answered about a past that the server has forgotten: pages and lists of it. (Watches are answered from memory there, however old.)
    pub(super) fn forgotten(&self) -> Vec<Exchange> {
        let create = |name: &str| {
            let mut object = self.named(name);
            let labels = json!({"run": RUN, "tier": "gone"});
            scenario::set(&mut object, "metadata", "labels", labels);
            exchange("POST", self.collection(), Some(object))
        };
        let list = |query: &str| get(&format!("{}?{query}", self.collection()));
        let gone = |query: &str| Exchange {
            until: Some(410),
            ..list(query)
        };
        vec![
            create("e-1"),
            create("e-2"),
            create("e-3"),
            self.refresh(),
            list("limit=1&labelSelector=tier%3Dgone"),
            create("e-4"),
            exchange(COMPACT, String::new(), None),
            gone("limit=1&labelSelector=tier%3Dgone&continue=@continue"),
            list("labelSelector=tier%3Dgone&continue=@continue"),
            gone("resourceVersion=@listed&resourceVersionMatch=Exact"),
            gone("resourceVersion=@listed&limit=2"),
            list("resourceVersion=@listed"),
            list("resourceVersion=@listed&resourceVersionMatch=NotOlderThan&limit=1"),
            gone(
                "resourceVersion=@listed&resourceVersionMatch=Exact&fieldSelector=metadata.name%3De-1",
            ),
        ]
    }
}
