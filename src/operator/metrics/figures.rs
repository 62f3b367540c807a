//! Gauges that are read when somebody asks, and the text they become.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Gauges by name.
#[derive(Debug, Default)]
pub(super) struct Figures(BTreeMap<&'static str, Figure>);

/// One gauge: what it says, and its values by labels.
#[derive(Debug, Default)]
pub(super) struct Figure {
    help: &'static str,
    values: Vec<(Vec<(&'static str, String)>, f64)>,
}

impl Figures {
    /// The gauge of this name, without the prefix `cloudfarm_`.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> &mut Figure {
        let figure = self.0.entry(name).or_default();
        figure.help = help;
        figure
    }

    /// Values of all gauges, for tests.
    #[cfg(test)]
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |name: &str, labels: &[(&str, String)], value: f64| {
            let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{name}{{{}}} {value}", labels.join(","))
        };
        let of = |(name, figure): (&&'static str, &Figure)| {
            let name = *name;
            figure.values.iter().map(|(labels, value)| line(name, labels, *value)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }
}

impl Figure {
    /// States a value for these labels; each set of labels may be stated once.
    pub(super) fn set(&mut self, labels: &[(&'static str, &str)], value: f64) {
        self.values.push((labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(), value));
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        for (name, figure) in &self.0 {
            let mut family = encoder.encode_descriptor(name, figure.help, None, MetricType::Gauge)?;
            if let [(labels, value)] = figure.values.as_slice()
                && labels.is_empty()
            {
                ConstGauge::new(*value).encode(family)?;
                continue;
            }
            for (labels, value) in &figure.values {
                ConstGauge::new(*value).encode(family.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

/// OpenMetrics as the older text format: there a counter's name ends in `_total` in its description, too, and nothing
/// marks the end. That is what `promtool check metrics` and every Prometheus read.
pub(super) fn classic(open_metrics: &str) -> String {
    let described = |line: &str, word: &str| -> Option<(String, String)> {
        let (name, rest) = line.strip_prefix(word)?.split_once(' ')?;
        Some((name.to_owned(), rest.to_owned()))
    };
    let types = open_metrics.lines().filter_map(|line| described(line, "# TYPE "));
    let counters: BTreeSet<String> = types.filter(|(_, sort)| sort == "counter").map(|(name, _)| name).collect();
    let mut text = String::with_capacity(open_metrics.len() + 1024);
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        let counter = ["# HELP ", "# TYPE "].into_iter().find_map(|word| {
            let (name, rest) = described(line, word)?;
            counters.contains(&name).then(|| format!("{word}{name}_total {rest}"))
        });
        text.push_str(counter.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::classic;

    #[test]
    fn only_counters_are_described_by_another_name() {
        let open =
            "# HELP a_calls Calls.\n# TYPE a_calls counter\na_calls_total 1\n# HELP b B.\n# TYPE b gauge\nb 2\n# EOF\n";
        let text = "# HELP a_calls_total Calls.\n# TYPE a_calls_total counter\na_calls_total 1\n# HELP b B.\n# TYPE b gauge\nb 2\n";
        assert_eq!(classic(open), text);
    }
}
