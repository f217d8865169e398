import WeirProto
import WeirTensor

extension CallableOptions {
    init(_ message: TFCallableOptions) throws(Status) {
        self.init(feeds: message.feed, fetches: message.fetch, targets: message.target)
        options = try RunOptions(message.runOptions)
        connections = message.tensorConnection.map { (from: $0.fromTensor, to: $0.toTensor) }
        hasFeedOrFetchDevices = !message.feedDevices.isEmpty || !message.fetchDevices.isEmpty
    }
}

extension TFCallableOptions {
    init(_ callable: CallableOptions) {
        self.init()
        feed = callable.feeds
        fetch = callable.fetches
        target = callable.targets
        runOptions = TFRunOptions(callable.options)
        tensorConnection = callable.connections.map { from, to in
            var connection = TFTensorConnection()
            connection.fromTensor = from
            connection.toTensor = to
            return connection
        }
    }
}
