package import WeirGraph
import WeirKernels

/// The ops of control flow, function calls, transfers between devices, collective operations, stacks, tensor arrays, tensor lists and optionals.
package let controlOps: [OpDefinition] = [
    .noOp, .controlTrigger, .abort, .assert, .print, .printV2, .timestamp,
    .switch, .refSwitch, .switchN, .merge, .refMerge, .enter, .refEnter, .exit, .refExit, .nextIteration,
    .refNextIteration, .loopCond, .refSelect,
    .sendInternal, .hostSend, .send, .receiveInternal, .hostReceive, .receive,
    .argument, .deviceArgument, .result, .deviceResult,
    .if, .statelessIf, .case, .statelessCase, .while, .statelessWhile, .partitionedCall, .statefulPartitionedCall,
    .remoteCall, .symbolicGradient, .toBool,
    .stack, .stackV2, .stackPush, .stackPushV2, .stackPop, .stackPopV2, .stackClose, .stackCloseV2,
    .tensorArrayV3, .tensorArrayV2, .tensorArrayV1,
    .tensorArrayGradV3, .tensorArrayGradWithShape, .tensorArrayGradV2, .tensorArrayGradV1,
    .tensorArrayWriteV3, .tensorArrayWriteV2, .tensorArrayWriteV1,
    .tensorArrayReadV3, .tensorArrayReadV2, .tensorArrayReadV1,
    .tensorArrayGatherV3, .tensorArrayGatherV2, .tensorArrayGatherV1, .tensorArrayPack,
    .tensorArrayScatterV3, .tensorArrayScatterV2, .tensorArrayScatterV1, .tensorArrayUnpack,
    .tensorArrayConcatV3, .tensorArrayConcatV2, .tensorArrayConcatV1,
    .tensorArraySplitV3, .tensorArraySplitV2, .tensorArraySplitV1,
    .tensorArraySizeV3, .tensorArraySizeV2, .tensorArraySizeV1,
    .tensorArrayCloseV3, .tensorArrayCloseV2, .tensorArrayCloseV1,
    .emptyTensorList, .tensorListReserve, .tensorListLength, .tensorListElementShape, .tensorListPushBack,
    .tensorListPushBackBatch, .tensorListPopBack, .tensorListResize, .tensorListConcatLists, .tensorListGetItem,
    .tensorListSetItem, .tensorListStack, .tensorListGather, .tensorListFromTensor, .tensorListScatter,
    .tensorListScatterV2, .tensorListScatterIntoExistingList, .tensorListConcat, .tensorListConcatV2, .tensorListSplit,
    .collectiveReduce, .collectiveGather, .collectiveBcastSend, .collectiveBcastRecv,
    .collectiveReduceV2, .collectiveReduceScatterV2, .collectiveGatherV2, .collectiveBcastSendV2, .collectiveBcastRecvV2,
    .collectiveAllToAllV2, .collectiveAssignGroupV2, .collectiveInitializeCommunicator, .collectiveReduceV3, .collectiveAllToAllV3,
    .collectivePermute,
    .optionalFromValue, .optionalNone, .optionalHasValue, .optionalGetValue,
]
