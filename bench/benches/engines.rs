//! Three engines answer the same questions: first they must agree, then they are measured.
#![allow(missing_docs, reason = "criterion makes functions without documentation")]

use std::hint::black_box;

use claviger_bench::{Casbin, Cedar, Claviger, Key, QUESTIONS};
use criterion::{Criterion, criterion_group, criterion_main};

fn engines(criterion: &mut Criterion) {
    for count in [5, 100] {
        let key = Key::with_endpoints(count);
        assert_eq!(key.endpoints.len(), count);
        let claviger = Claviger::new(&key).expect("our permissions");
        let cedar = Cedar::new(&key).expect("the policies of Cedar");
        let casbin = Casbin::new(&key).expect("the policies of Casbin");
        let questions = QUESTIONS.map(|question| {
            let method = Claviger::method(&question).expect("a method");
            let request = Cedar::request(&question).expect("a request of Cedar");
            assert_eq!(
                claviger.allows(method, question.path),
                question.allowed,
                "claviger-authz: {question:?}"
            );
            assert_eq!(cedar.allows(&request), question.allowed, "cedar: {question:?}");
            assert_eq!(casbin.allows(&question), question.allowed, "casbin: {question:?}");
            (question, method, request)
        });
        for (question, method, request) in &questions {
            let mut group = criterion.benchmark_group(format!("{count} endpoints, {}", question.name));
            group.bench_function("claviger-authz", |bencher| {
                bencher.iter(|| black_box(&claviger).allows(black_box(*method), black_box(question.path)));
            });
            group.bench_function("cedar", |bencher| {
                bencher.iter(|| black_box(&cedar).allows(black_box(request)));
            });
            group.bench_function("casbin", |bencher| {
                bencher.iter(|| black_box(&casbin).allows(black_box(question)));
            });
            group.finish();
        }
    }
}

criterion_group!(benches, engines);
criterion_main!(benches);
