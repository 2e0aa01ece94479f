//! What was asked of the API server, by its own count.

use anyhow::Result;
use kube::Client;

/// How often the API server was asked to patch a resource's subresource (empty: the object itself), by its own count.
///
/// # Errors
/// If the metrics cannot be read.
pub async fn patches(client: &Client, resource: &str, subresource: &str) -> Result<u64> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let metrics = client.request_text(request).await?;
    let labels = [
        format!("resource=\"{resource}\""),
        format!("subresource=\"{subresource}\""),
        "verb=\"PATCH\"".to_owned(),
    ];
    let mut sum = 0;
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
    {
        if labels.iter().all(|label| line.contains(label.as_str())) {
            let count = line
                .rsplit_once(' ')
                .and_then(|(_, count)| count.parse::<f64>().ok());
            sum += count.map_or(0, |count| count as u64);
        }
    }
    Ok(sum)
}
