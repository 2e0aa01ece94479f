//! The options of a `KwokConfiguration`.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Options that this host has too; KWOK's other options (parallelism, profiling) have no meaning here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// `--cidr`.
    pub cidr: Option<String>,
    /// `--node-ip`.
    #[serde(rename = "nodeIP")]
    pub node_ip: Option<String>,
    /// `--node-name`.
    pub node_name: Option<String>,
    /// `--node-port`.
    pub node_port: Option<u16>,
    /// `--server-address`.
    pub server_address: Option<String>,
    /// `--manage-single-node`.
    pub manage_single_node: Option<String>,
    /// `--manage-all-nodes`.
    pub manage_all_nodes: Option<bool>,
    /// `--manage-nodes-with-annotation-selector`.
    pub manage_nodes_with_annotation_selector: Option<String>,
    /// `--manage-nodes-with-label-selector`.
    pub manage_nodes_with_label_selector: Option<String>,
    /// `--node-lease-duration-seconds`.
    pub node_lease_duration_seconds: Option<u32>,
    /// `--tls-cert-file`.
    pub tls_cert_file: Option<String>,
    /// `--tls-private-key-file`.
    pub tls_private_key_file: Option<String>,
    /// Kinds that are to be read from the API server.
    #[serde(rename = "enableCRDs")]
    pub enable_crds: Option<Vec<String>>,
}

// === impl Options ===

impl Options {
    /// Reads the options of a `KwokConfiguration`. What is empty says nothing, as for KWOK.
    ///
    /// # Errors
    /// If one is of another shape.
    pub fn read(document: &Value) -> Result<Self, String> {
        match document.get("options") {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Object(options)) => {
                let said = options.iter().filter(|(key, value)| match value {
                    Value::String(text) => !text.is_empty(),
                    Value::Array(list) => !list.is_empty(),
                    Value::Number(number) => {
                        key.as_str() != "nodePort" || number.as_u64() != Some(0)
                    }
                    _ => true,
                });
                let said: Map<String, Value> = said.map(|(k, v)| (k.clone(), v.clone())).collect();
                Self::deserialize(Value::Object(said)).map_err(|error| error.to_string())
            }
            Some(_) => Err("are no mapping of names to values".to_owned()),
        }
    }

    /// Takes over what later ones say.
    pub fn update(&mut self, later: Self) {
        fn set<T>(to: &mut Option<T>, from: Option<T>) {
            if from.is_some() {
                *to = from;
            }
        }
        set(&mut self.cidr, later.cidr);
        set(&mut self.node_ip, later.node_ip);
        set(&mut self.node_name, later.node_name);
        set(&mut self.node_port, later.node_port);
        set(&mut self.server_address, later.server_address);
        set(&mut self.manage_single_node, later.manage_single_node);
        set(&mut self.manage_all_nodes, later.manage_all_nodes);
        set(
            &mut self.manage_nodes_with_annotation_selector,
            later.manage_nodes_with_annotation_selector,
        );
        set(
            &mut self.manage_nodes_with_label_selector,
            later.manage_nodes_with_label_selector,
        );
        set(
            &mut self.node_lease_duration_seconds,
            later.node_lease_duration_seconds,
        );
        set(&mut self.tls_cert_file, later.tls_cert_file);
        set(&mut self.tls_private_key_file, later.tls_private_key_file);
        set(&mut self.enable_crds, later.enable_crds);
    }
}
