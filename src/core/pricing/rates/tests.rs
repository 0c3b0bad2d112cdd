use serde_json::json;

use super::*;

fn rates(value: &Value) -> Rates {
    Rates::read(value).unwrap()
}

#[test]
fn a_threshold_changes_the_price_of_all_tokens() {
    let rates = rates(&json!({"input_mtok": ["1", [200, "2"], [400, "4"]], "output_mtok": "10"}));
    let cost = |input| {
        let usage = Usage {
            input,
            cache_read: 100,
            ..Usage::default()
        };
        (rates.cost(&usage).unwrap() * 1e6).round()
    };
    let found: Vec<f64> = [100, 101, 300, 301].into_iter().map(cost).collect();
    assert_eq!(found, [200.0, 402.0, 800.0, 1604.0]);
}

#[test]
fn a_bucket_without_a_price_of_its_own_costs_what_the_others_cost() {
    let rates = rates(&json!({"input_mtok": "1", "output_mtok": "10", "cache_read_mtok": "0.1"}));
    let usage = Usage {
        input: 1,
        cache_read: 10,
        cache_write: 100,
        output: 1,
        reasoning: 10,
        input_audio: 1000,
        output_audio: 100,
        ..Usage::default()
    };
    let millionths = rates.cost(&usage).unwrap() * 1e6;
    assert!((millionths - (1.0 + 1.0 + 1100.0 + 1110.0)).abs() < 1e-6);
}

#[test]
fn an_hour_of_cache_costs_twice_the_input_where_it_has_no_price() {
    let usage = Usage {
        cache_write: 10,
        cache_write_1h: 10,
        ..Usage::default()
    };
    for (prices, micros) in [
        (json!({"input_mtok": "3", "cache_write_mtok": "3.75"}), 97.5),
        (
            json!({"input_mtok": "3", "cache_write_1h_mtok": "7"}),
            100.0,
        ),
    ] {
        let found = rates(&prices).cost(&usage).unwrap() * 1e6;
        assert!((found - micros).abs() < 1e-9, "{found}");
    }
}

#[test]
fn searches_cost_by_the_thousand_and_no_surcharge() {
    let rates = rates(&json!({"input_mtok": "5", "web_searches_kcount": "10"}));
    let mut usage = Usage {
        input: 1_000_000,
        web_searches: 3,
        ..Usage::default()
    };
    assert_eq!(rates.bill(&usage, false).usd, Some(5.03));
    assert_eq!(rates.bill(&usage, true).usd, Some(5.53));
    usage.file_searches = 1;
    let bill = rates.bill(&usage, false);
    assert_eq!(
        (bill.usd, bill.unpriced),
        (None, vec!["file_search".to_owned()])
    );
}

#[test]
fn what_has_no_price_makes_the_whole_unknown() {
    let rates = rates(&json!({"input_mtok": "1"}));
    let mut usage = Usage {
        input: 5,
        ..Usage::default()
    };
    assert!(rates.cost(&usage).is_some());
    usage.output = 1;
    assert_eq!(rates.cost(&usage), None);
    assert_eq!(Rates::default().cost(&usage), Some(0.0));
}

#[test]
fn the_last_price_that_applies_counts() {
    let dated = json!([
        [null, {"input_mtok": "8"}],
        [["from", 20_000], {"input_mtok": "4"}],
        [["daily", 82_800, 3_600], {"input_mtok": "2"}],
    ]);
    let tariff = Tariff::read(&dated, None).unwrap();
    let input = |at| {
        tariff
            .rates(at, &[])
            .unwrap()
            .get(Unit::Input)
            .unwrap()
            .base()
            .usd()
    };
    for (at, usd) in [
        (19_999 * DAY + 7_200, 8.0),
        (20_000 * DAY + 7_200, 4.0),
        (20_000 * DAY + 82_800, 2.0),
        (20_001 * DAY + 3_599, 2.0),
        (20_001 * DAY + 3_600, 4.0),
    ] {
        assert!((input(at) - usd).abs() < 1e-12, "{at}");
    }
}

#[test]
fn a_kind_of_request_may_have_prices_of_its_own() {
    let dated = json!([[null, {"input_mtok": "8", "output_mtok": "9"}]]);
    let variants = json!([
        [{"service_tier": "flex"}, null, {"input_mtok": "4"}],
        [{"service_tier": "flex"}, ["from", 1], {"input_mtok": "1", "output_mtok": "2"}],
    ]);
    let tariff = Tariff::read(&dated, Some(&variants)).unwrap();
    let of = |context: &[(&str, &str)]| {
        let rates = tariff.rates(10 * DAY, context).unwrap();
        [Unit::Input, Unit::Output].map(|unit| rates.get(unit).unwrap().base())
    };
    let rates = |texts: [&str; 2]| texts.map(|text| Rate::parse(text).unwrap());
    assert_eq!(of(&[]), rates(["8", "9"]));
    assert_eq!(of(&[("service_tier", "flex")]), rates(["4", "2"]));
    assert_eq!(of(&[("service_tier", "default")]), rates(["8", "9"]));
}

#[test]
fn a_model_priced_in_other_units_has_no_rates() {
    let tariff = Tariff::read(&json!([[null, null]]), None).unwrap();
    assert_eq!(tariff.rates(0, &[]), None);
}
