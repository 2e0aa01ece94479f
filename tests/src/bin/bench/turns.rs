//! One controller after the other, round by round, on one control plane.

use anyhow::Result;
use kube::Client;
use stagewright_tests::controlplane::ControlPlane;

use crate::controllers::{self, COLUMNS, Who};
use crate::table::Table;

/// Has each of them measured as often, turn by turn.
pub async fn in_turn(
    rounds: usize,
    who: &[Who],
    mut measure: impl AsyncFnMut(Who, &ControlPlane, &Client, &mut Table) -> Result<()>,
) -> Result<Table> {
    let (plane, client) = controllers::plane().await?;
    let mut table = Table::new(COLUMNS);
    for _ in 0..rounds {
        for &who in who {
            eprintln!("{who:?}");
            measure(who, &plane, &client, &mut table).await?;
        }
    }
    Ok(table)
}
