//! The schemas of the API description: each has a name of its own.

use std::collections::BTreeMap;

#[test]
fn each_schema_of_the_api_description_has_its_own_name() {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in crate::files("sidecar", &[".rs"]) {
        for item in text.split("#[derive(").skip(1) {
            let (derives, rest) = item.split_once(")]").expect("a derive ends");
            if !derives.contains("ToSchema") {
                continue;
            }
            let (head, _) = rest.split_once('{').expect("a type has a body");
            let alias = head
                .split_once("#[schema(as = ")
                .and_then(|(_, rest)| rest.split_once([',', ')']))
                .map(|(name, _)| name);
            let item = ["pub ", "pub(crate) "].iter().find_map(|visibility| head.split_once(visibility));
            let own = item.and_then(|(_, kind)| kind.split_whitespace().nth(1));
            let own = own.and_then(|name| name.split(['(', ';']).next());
            let name = alias.or(own).expect("a type has a name").to_owned();
            if let Some(other) = seen.insert(name.clone(), path.clone()) {
                panic!("two schemas are called `{name}`, in {other} and {path}: one would describe both");
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}
