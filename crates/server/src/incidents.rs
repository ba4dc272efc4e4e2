//! Incidents go to the log at once and to the store in the background, through a bounded queue:
//! a flood of errors costs neither time nor disk.

use std::sync::Arc;

use keystile_authority::Authority;
use keystile_authority::incident::Incident;
use tokio::sync::mpsc;

/// Incidents that wait to be kept; more are in the log alone.
const WAITING_AT_MOST: usize = 256;

pub(crate) struct Incidents {
    queue: mpsc::Sender<Incident>,
}

impl Incidents {
    /// Starts the task that keeps them. It ends when this value goes.
    pub(crate) fn start(authority: Arc<Authority>) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Incident>(WAITING_AT_MOST);
        tokio::spawn(async move {
            while let Some(incident) = waiting.recv().await {
                if let Err(error) = authority.record(&incident).await {
                    tracing::warn!(%error, reference = %incident.reference, "incident not kept");
                }
            }
        });
        Self { queue }
    }

    /// A mistake of the app or of the person: a warning.
    pub(crate) fn report(&self, incident: &Incident) {
        tracing::warn!(
            reference = %incident.reference,
            error = %incident.error,
            client_id = incident.client_id.as_deref(),
            section = %incident.section,
            received = incident.received.as_deref(),
            expected = ?incident.expected,
            "{}", incident.summary
        );
        let _ = self.queue.try_send(incident.clone());
    }

    /// A fault of ours: an error.
    pub(crate) fn report_fault(&self, incident: &Incident) {
        tracing::error!(
            reference = %incident.reference,
            error = %incident.error,
            client_id = incident.client_id.as_deref(),
            "{}", incident.summary
        );
        let _ = self.queue.try_send(incident.clone());
    }
}
