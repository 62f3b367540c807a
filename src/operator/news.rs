//! What people are told once and for good, beside the turns of conditions: one Event each, named after what it is about.
//!
//! It goes out before the status that remembers it. A crash between the two tells it again under the same name, which the
//! API server refuses: exactly one, as long as the API server keeps Events (an hour by default). Whoever sends mail goes by
//! what the status remembers and not by these.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;

use super::context::{Context, EVENT_TIMEOUT};

/// One thing that people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What it is about, among everything of one object: part of a name, so lower case and hyphens.
    pub about: String,
    /// One word.
    pub reason: String,
    pub note: String,
}

/// Tells everything that has not been told. A refusal is logged and holds up nothing: the status says the same.
pub(super) async fn tell(context: &Context, of: &ObjectReference, news: &[News]) {
    for each in news {
        let event = event(of, each, context.clock.now());
        match tokio::time::timeout(EVENT_TIMEOUT, context.cluster.writer.tell(&event)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(object = of.name, about = each.about, %error, "event not recorded"),
            Err(_) => tracing::warn!(object = of.name, about = each.about, "event not recorded in time"),
        }
    }
}

fn event(of: &ObjectReference, news: &News, now: Timestamp) -> Event {
    let name = of.name.as_deref().unwrap_or_default();
    let uid: String = of.uid.as_deref().unwrap_or_default().chars().take(8).collect();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{uid}.{}", news.about)),
            // Where Events about objects of the whole cluster are looked for.
            namespace: Some(of.namespace.clone().unwrap_or_else(|| "default".into())),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        type_: Some("Warning".into()),
        reason: Some(news.reason.clone()),
        note: Some(news.note.chars().take(1000).collect()),
        action: Some("Reconcile".into()),
        regarding: Some(of.clone()),
        reporting_controller: Some("cloudfarm".into()),
        reporting_instance: Some("cloudfarm".into()),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_news_about_the_same_object_has_the_same_name_and_a_namesake_another() {
        let of = |uid: &str| ObjectReference { name: Some("plum".into()), uid: Some(uid.into()), ..Default::default() };
        let news = News { about: "capacity-memory-3".into(), reason: "OverThreshold".into(), note: "n".repeat(4000) };
        let name =
            |uid: &str, at: i64| event(&of(uid), &news, Timestamp::from_second(at).unwrap()).metadata.name.unwrap();
        assert_eq!(name("5f2c1a6e-0000", 1), "plum.5f2c1a6e.capacity-memory-3");
        assert_eq!(name("5f2c1a6e-0000", 1), name("5f2c1a6e-0000", 9));
        assert_ne!(name("5f2c1a6e-0000", 1), name("6f2c1a6e-0000", 1));
        assert_eq!(event(&of("u"), &news, Timestamp::UNIX_EPOCH).note.unwrap().len(), 1000);
    }
}
