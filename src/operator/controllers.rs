//! The controllers: a queue of references, a bounded number of passes at a time, one pass per object at a time.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use kube::Resource;
use kube::core::object::HasStatus;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config, Error, ReconcileReason, ReconcileRequest};
use kube::runtime::reflector::{ObjectRef, Store};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedReceiver;

use super::context::{Again, Context, pass};
use super::doors;
use super::stores::Guarded;
use super::triggers::{GRANT, NETWORK, NOTICE, RETENTION, TENANT};
use crate::{access, network, notice, retention, tenant};

/// Runs passes until `stop` resolves and those under way are finished. Starts when every watch has synced (I2).
pub async fn run(context: Arc<Context>, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    tokio::select! {
        () = synced(&context) => {}
        () = &mut stop => return,
    }
    tracing::info!("leading: every declaration is looked at once");
    let _leading = Leading::of(&context);
    let queues = context.triggers.open(&context.stores);
    let stores = context.stores.clone();
    let passes = stream::select_all([
        controller(&context, TENANT, stores.tenants.store.clone(), queues.tenants, tenant::reconcile).boxed(),
        controller(&context, NETWORK, stores.networks.store.clone(), queues.networks, network::reconcile).boxed(),
        controller(&context, RETENTION, stores.retentions.store.clone(), queues.retentions, retention::reconcile)
            .boxed(),
        controller(&context, GRANT, stores.grants.store.clone(), queues.grants, access::reconcile).boxed(),
        controller(&context, NOTICE, stores.notices.store.clone(), queues.notices, notice::reconcile).boxed(),
    ]);
    let work = passes.for_each(|()| async {});
    tokio::pin!(work);
    tokio::select! {
        () = &mut work => {}
        () = doors::sweeping(&context) => {}
        () = stop => {
            context.triggers.close();
            work.await;
        }
    }
}

/// Held while this process leads; however that ends, it is told and nothing is queued any longer.
struct Leading(Arc<Context>);

impl Leading {
    fn of(context: &Arc<Context>) -> Self {
        context.metrics.leads(true);
        Self(context.clone())
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        self.0.triggers.close();
        self.0.metrics.leads(false);
    }
}

/// Resolves when every watch has listed its kind.
async fn synced(context: &Context) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let began = tokio::time::Instant::now();
    while !context.synced() {
        tick.tick().await;
        context.neighbours.give_up(began.elapsed());
    }
}

fn controller<K, F>(
    context: &Arc<Context>,
    name: &'static str,
    store: Store<Guarded<K>>,
    queue: UnboundedReceiver<ObjectRef<Guarded<K>>>,
    reconcile: fn(K, Arc<Context>) -> F,
) -> impl Stream<Item = ()> + Send + use<K, F>
where
    K: Resource<DynamicType = ()> + HasStatus + Clone + DeserializeOwned + Send + Sync + 'static,
    K::Status: DeserializeOwned,
    F: Future<Output = Result<Action, Again>> + Send + 'static,
{
    let waiting = context.clone();
    let requests =
        stream::unfold(queue, |mut queue| async move { queue.recv().await.map(|next| (next, queue)) }).map(|obj_ref| {
            Ok::<_, std::convert::Infallible>(ReconcileRequest { obj_ref, reason: ReconcileReason::Unknown })
        });
    applier(
        move |object: Arc<Guarded<K>>, context: Arc<Context>| Box::pin(pass(object, context, name, reconcile)),
        move |object: Arc<Guarded<K>>, error: &Again, context: Arc<Context>| {
            let wait = context.backoff.failed(object.meta().uid.as_deref());
            let (object, wait_ms) = (object.meta().name.as_deref().unwrap_or_default(), wait.as_millis());
            tracing::warn!(controller = name, object, wait_ms, %error, "pass is repeated");
            Action::requeue(wait)
        },
        context.clone(),
        store,
        requests,
        Config::default().concurrency(context.config.rates.concurrency),
    )
    .map(move |ended| {
        // What is gone before its turn comes is not waiting for it.
        if let Err(Error::ObjectNotFound(gone)) = ended {
            waiting.triggers.taken(name, gone.namespace.as_deref(), &gone.name);
            if name == TENANT {
                waiting.guests.forget(&gone.name);
            }
        }
    })
}
