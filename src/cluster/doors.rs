//! Closing doors: deletes a Role or RoleBinding of a grant for a reason that was seen.
//!
//! Unlike prune this waits for no watch: that a grant is over, or that the hour on the door has passed, is known and not
//! concluded from something that is missing. It still says which object it means, by uid and resource version (I7).

use super::Cluster;
use super::applied::{Cause, Fault};
use super::object::Observation;
use super::write::WriteError;

impl Cluster {
    /// Closes each of these, in this order; what could not be closed does not keep the next one open.
    pub async fn close(&self, doors: &[Observation]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for door in doors {
            match self.close_one(door).await {
                Ok(()) | Err(WriteError::NotFound(_)) => {
                    self.observed.forget(door);
                }
                Err(error) => faults.push(Fault {
                    reference: door.reference.clone(),
                    cause: if matches!(error, WriteError::Refused(_)) { Cause::Refused } else { Cause::Unanswered },
                    message: format!("has to be closed and could not be deleted: {error}; delete it by hand"),
                }),
            }
        }
        faults
    }

    async fn close_one(&self, door: &Observation) -> Result<(), WriteError> {
        match self.writer.delete(door).await {
            // Somebody wrote it since it was seen, which makes it no less over. A namesake with another uid is another
            // door, and its own watch tells of it.
            Err(WriteError::Unexpected(said)) => {
                let live = self.writer.read(&door.reference).await?;
                if live.uid == door.uid { self.writer.delete(&live).await } else { Err(WriteError::Unexpected(said)) }
            }
            other => other,
        }
    }
}
