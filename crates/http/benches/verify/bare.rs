//! What a check is compared with: a handler that answers 200 at once, behind the same HTTP library with the settings of the server.

use actix_web::{App, HttpResponse, HttpServer, rt, web};
use claviger_http::{BACKLOG, BLOCKING_THREADS, KEEP_ALIVE};

use crate::server::{word_to_stop, workers};

/// Listens until the standard input ends.
pub(crate) fn run() {
    rt::System::new().block_on(async {
        let app = || App::new().default_service(web::to(|| async { HttpResponse::Ok().finish() }));
        let server = HttpServer::new(app)
            .workers(workers())
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .backlog(BACKLOG)
            .keep_alive(KEEP_ALIVE)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        println!("{}", server.addrs()[0]);
        let running = server.run();
        let handle = running.handle();
        rt::spawn(async move {
            let _gone = word_to_stop().await;
            handle.stop(false).await;
        });
        running.await.unwrap();
    });
}
