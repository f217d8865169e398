package import WeirGraph
import WeirKernels

/// The ops of queues, barriers and staging areas.
package let queueOps: [OpDefinition] = [
    .fifoQueue, .fifoQueueV2, .paddingFIFOQueue, .paddingFIFOQueueV2, .randomShuffleQueue, .randomShuffleQueueV2,
    .priorityQueue, .priorityQueueV2,
    .queueEnqueue, .queueEnqueueV2, .queueEnqueueMany, .queueEnqueueManyV2,
    .queueDequeue, .queueDequeueV2, .queueDequeueMany, .queueDequeueManyV2, .queueDequeueUpTo, .queueDequeueUpToV2,
    .queueClose, .queueCloseV2, .queueSize, .queueSizeV2, .queueIsClosed, .queueIsClosedV2,
    .barrier, .barrierInsertMany, .barrierTakeMany, .barrierClose, .barrierReadySize, .barrierIncompleteSize,
    .stage, .unstage, .stagePeek, .stageSize, .stageClear,
    .mapStage, .mapPeek, .mapUnstage, .mapUnstageNoKey, .mapSize, .mapIncompleteSize, .mapClear,
    .orderedMapStage, .orderedMapPeek, .orderedMapUnstage, .orderedMapUnstageNoKey, .orderedMapSize,
    .orderedMapIncompleteSize, .orderedMapClear,
]
