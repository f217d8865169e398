public import ServiceLifecycle

extension Server: Service {
    /// Serves until the service group shuts down gracefully or `stop` is called, then stops as `stop` does. Running steps end before it
    /// returns, for as long as `ServerOptions.gracePeriod`. When its Swift task is cancelled, it stops without a grace period.
    public func run() async {
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await join()
            } onGracefulShutdown: {
                Task { await self.stop() }
            }
        } onCancel: {
            Task { await self.stop(within: .zero) }
        }
        // The listener may also have failed. Then the sessions and links are still open.
        await stop()
    }
}
