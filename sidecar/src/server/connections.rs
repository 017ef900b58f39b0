//! Serves connections, with TLS if configured, and with limits on their number and their time.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::http::ClientAddr;

/// Maximum number of open connections; further ones wait.
const MAX_CONNECTIONS: usize = 1024;

/// How long a client may take for the TLS handshake, or to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum size of a request's head, in bytes.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// How long a client that was refused may continue to send.
const LINGER: Duration = Duration::from_secs(3);

/// How long connections may stay open at shutdown. Streams end at once; what is left are browsers' connections that
/// never carried a request.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// Serves `router` on `listener`, over TLS if there is an acceptor, until `shutdown` is cancelled; then until open
/// requests are answered, within a deadline.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    shutdown: CancellationToken,
) {
    let (permits, open) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let (tls, router, shutdown) = (tls.clone(), router.clone(), shutdown.clone());
        open.spawn(async move {
            match tls {
                None => serve_connection(stream, peer, router, shutdown).await,
                Some(tls) => match tokio::time::timeout(HEADER_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve_connection(stream, peer, router, shutdown).await,
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake with {peer} failed: {error}"),
                    Err(_) => tracing::debug!("TLS handshake with {peer} timed out"),
                },
            }
            drop(permit);
        });
    }
    // No new connections are accepted while the open ones finish.
    drop(listener);
    open.close();
    if tokio::time::timeout(SHUTDOWN_GRACE, open.wait()).await.is_err() {
        tracing::debug!("some connections were still open");
    }
}

type ConnectionPermit = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is a permit for it. `None` if accepting it failed, which is no error of ours.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, ConnectionPermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed");
    match listener.accept().await {
        Ok((stream, peer)) => {
            // No Nagle: a token that waits for a full packet arrives late.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection: {error}");
            // Most likely the process is out of file handles; others will be closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn serve_connection<S>(stream: S, peer: SocketAddr, router: Router, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = tower::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ClientAddr(peer.ip().to_canonical()));
        let body_consumed = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let body = |body| axum::body::Body::new(TrackedBody { body, body_consumed: Arc::clone(&body_consumed) });
        let response = router.clone().oneshot(request.map(body));
        Box::pin(async move {
            let mut response = response.await?;
            if !body_consumed.load(Ordering::Relaxed) {
                // The rest of this request's body is still unread, so the client must not send its next request on this
                // connection.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut ending = false;
    let served = loop {
        tokio::select! {
            served = poll_fn(|context| connection.poll_without_shutdown(context)) => break served,
            () = shutdown.cancelled(), if !ending => {
                ending = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    match served {
        Ok(()) if ending => {}
        Ok(()) => {
            // Only the stream is retained: the rest of the connection holds handles of the app.
            let stream = connection.into_parts().io.into_inner();
            linger(stream).await;
        }
        Err(error) => tracing::debug!(%error, "the connection to {peer} failed: {error}"),
    }
}

/// A request's body that records whether it was read to its end.
struct TrackedBody {
    body: Incoming,
    body_consumed: Arc<AtomicBool>,
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.body_consumed.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Closes a connection gracefully (lingering close): a client that is still sending a body which was refused, such as
/// one that is too large, would otherwise see the connection reset and lose the response.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let unwanted = async {
        stream.shutdown().await?;
        let mut buffer = vec![0; 64 * 1024];
        while stream.read(&mut buffer).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(LINGER, unwanted).await;
}
