//! Cross-origin answers.

use super::{line, slug};
use crate::ingress::annotations::Cors;
use crate::ingress::model::Owner;
use crate::ingress::quote::{literal, quote};

const METHODS: &str = "GET, PUT, POST, DELETE, PATCH, OPTIONS";
const HEADERS: &str = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,\
                       Authorization";
const MAX_AGE: u32 = 1_728_000;

fn any(cors: &Cors) -> bool {
    cors.origins.is_empty() || cors.origins.iter().any(|origin| origin == "*")
}

/// Which origins are answered: a variable that is empty for all others, and headers without a value are not sent.
pub(super) fn origins(out: &mut String, owner: &Owner) {
    let cors = &owner.options.cors;
    if !cors.enabled {
        return;
    }
    let slug = slug(&owner.name);
    line(out, 1, format!("map $http_origin $origin_{slug} {{"));
    line(out, 2, format!("default \"{}\";", if any(cors) { "*" } else { "" }));
    for origin in cors.origins.iter().filter(|_| !any(cors)) {
        let expression = match origin.split_once("://*.") {
            Some((scheme, rest)) => format!(r"{}\:\/\/[A-Za-z0-9\-]+\.{}", literal(scheme), literal(rest)),
            None => literal(origin),
        };
        line(out, 2, format!("{} $http_origin;", quote(&format!("~*^{expression}$"))));
    }
    line(out, 1, "}");
    // The other headers go out only together with an allowed origin.
    let fields = [
        ("methods", list(&cors.methods, METHODS)),
        ("headers", list(&cors.headers, HEADERS)),
        ("expose", cors.expose.join(", ")),
        ("credentials", if cors.credentials.unwrap_or(true) { "true".into() } else { String::new() }),
        ("age", cors.max_age.unwrap_or(MAX_AGE).to_string()),
    ];
    for (name, value) in fields {
        line(out, 1, format!("map $origin_{slug} ${name}_{slug} {{"));
        line(out, 2, format!("default {};", quote(&value)));
        line(out, 2, "\"\" \"\";");
        line(out, 1, "}");
    }
}

pub(super) fn render(out: &mut String, owner: &Owner) {
    let cors = &owner.options.cors;
    if !cors.enabled {
        return;
    }
    let slug = slug(&owner.name);
    let always = |out: &mut String, depth: usize| {
        line(out, depth, format!("add_header Access-Control-Allow-Origin $origin_{slug} always;"));
        line(out, depth, format!("add_header Access-Control-Allow-Credentials $credentials_{slug} always;"));
        line(out, depth, format!("add_header Access-Control-Expose-Headers $expose_{slug} always;"));
        if !any(cors) {
            line(out, depth, "add_header Vary Origin always;");
        }
    };
    for name in ["Origin", "Credentials", "Methods", "Headers"] {
        line(out, 3, format!("proxy_hide_header Access-Control-Allow-{name};"));
    }
    always(out, 3);
    line(out, 3, "if ($request_method = OPTIONS) {");
    always(out, 4);
    line(out, 4, format!("add_header Access-Control-Allow-Methods $methods_{slug} always;"));
    line(out, 4, format!("add_header Access-Control-Allow-Headers $headers_{slug} always;"));
    line(out, 4, format!("add_header Access-Control-Max-Age $age_{slug} always;"));
    line(out, 4, "return 204;");
    line(out, 3, "}");
}

fn list(given: &[String], otherwise: &str) -> String {
    if given.is_empty() { otherwise.to_owned() } else { given.join(", ") }
}
