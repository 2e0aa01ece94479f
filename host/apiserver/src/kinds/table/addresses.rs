//! Cells with addresses, ports and hosts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cells::{Row, plain};
use crate::kinds::member::{list, text};

/// How many addresses, ports or hosts a cell has room for.
const FEW: usize = 3;

/// The first of them, and how many more there are.
fn few(texts: &[String], total: usize, none: &str) -> String {
    let shown = texts
        .get(..texts.len().min(FEW))
        .unwrap_or_default()
        .join(",");
    if texts.len() > FEW {
        return format!("{shown} + {} more...", total - FEW);
    }
    if shown.is_empty() {
        return none.to_owned();
    }
    shown
}

pub(super) fn endpoints(row: &Row<'_>) -> Value {
    let subsets = row.list("/subsets");
    if subsets.is_empty() {
        return json!("<none>");
    }
    let mut texts = Vec::new();
    for subset in subsets {
        let addresses = list(subset, "addresses");
        let ports = list(subset, "ports");
        if ports.is_empty() {
            texts.extend(
                addresses
                    .iter()
                    .map(|address| text(address, "ip").to_owned()),
            );
        }
        for port in ports {
            let port = port.get("port").and_then(Value::as_i64).unwrap_or(0);
            texts.extend(addresses.iter().map(|address| match text(address, "ip") {
                ip if ip.contains(':') => format!("[{ip}]:{port}"),
                ip => format!("{ip}:{port}"),
            }));
        }
    }
    json!(few(&texts, texts.len(), ""))
}

pub(super) fn slice_ports(row: &Row<'_>) -> Value {
    let ports = row.list("/ports").iter();
    let texts: Vec<String> = ports
        .map(|port| {
            let known = ["port", "name"]
                .into_iter()
                .find_map(|field| port.get(field));
            known
                .filter(|known| !known.is_null())
                .map_or_else(|| "*".to_owned(), plain)
        })
        .collect();
    json!(few(&texts, texts.len(), "<unset>"))
}

pub(super) fn slice_endpoints(row: &Row<'_>) -> Value {
    let endpoints = row.list("/endpoints").iter();
    let addresses = endpoints.flat_map(|endpoint| list(endpoint, "addresses"));
    let texts: Vec<String> = addresses.map(plain).collect();
    json!(few(&texts, texts.len(), "<unset>"))
}

/// The addresses of load balancers, cut where the real server cuts them when it is not asked for more: it always is.
pub(super) fn balancers(row: &Row<'_>) -> String {
    let ingress = row.list("/status/loadBalancer/ingress").iter();
    let addresses: BTreeSet<&str> = ingress
        .map(|ingress| match text(ingress, "ip") {
            "" => text(ingress, "hostname"),
            ip => ip,
        })
        .filter(|address| !address.is_empty())
        .collect();
    let addresses: Vec<&str> = addresses.into_iter().collect();
    addresses.join(",")
}

pub(super) fn service_external(row: &Row<'_>) -> Value {
    let own: Vec<String> = row.list("/spec/externalIPs").iter().map(plain).collect();
    json!(match row.text("/spec/type") {
        "ClusterIP" | "NodePort" if own.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => own.join(","),
        "LoadBalancer" => {
            let mut all = vec![balancers(row)];
            all.extend(own);
            all.retain(|address| !address.is_empty());
            if all.is_empty() {
                "<pending>".to_owned()
            } else {
                all.join(",")
            }
        }
        "ExternalName" => row.text("/spec/externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    })
}

pub(super) fn service_ports(row: &Row<'_>) -> Value {
    let number = |port: &Value, field: &str| port.get(field).and_then(Value::as_i64).unwrap_or(0);
    let ports = row.list("/spec/ports").iter();
    let texts: Vec<String> = ports
        .map(|port| {
            let protocol = text(port, "protocol");
            match (number(port, "port"), number(port, "nodePort")) {
                (port, node @ 1..) => format!("{port}:{node}/{protocol}"),
                (port, _) => format!("{port}/{protocol}"),
            }
        })
        .collect();
    json!(if texts.is_empty() {
        "<none>".to_owned()
    } else {
        texts.join(",")
    })
}

pub(super) fn ingress_hosts(row: &Row<'_>) -> Value {
    let rules = row.list("/spec/rules");
    let mut hosts: Vec<&str> = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= hosts.len() == FEW;
        if !more && !text(rule, "host").is_empty() {
            hosts.push(text(rule, "host"));
        }
    }
    json!(match hosts.join(",") {
        none if none.is_empty() => "*".to_owned(),
        shown if more => format!("{shown} + {} more...", rules.len() - FEW),
        shown => shown,
    })
}

pub(super) fn ingress_parameters(row: &Row<'_>) -> Value {
    let Some(parameters) = row.at("/spec/parameters") else {
        return json!("<none>");
    };
    let group = parameters.get("apiGroup").and_then(Value::as_str);
    let group = group.map_or_else(String::new, |group| format!(".{group}"));
    let (kind, name) = (text(parameters, "kind"), text(parameters, "name"));
    json!(format!("{kind}{group}/{name}"))
}

pub(super) fn ip_parent(row: &Row<'_>) -> Value {
    let Some(parent) = row.at("/spec/parentRef") else {
        return json!("<none>");
    };
    let mut shown = text(parent, "resource").to_owned();
    for (field, sign) in [("group", '.'), ("namespace", '/'), ("name", '/')] {
        if field == "name" || !text(parent, field).is_empty() {
            shown.push(sign);
            shown.push_str(text(parent, field));
        }
    }
    json!(shown)
}
