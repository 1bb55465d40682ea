"""table_memory.py - for table.py: an input that the table allows, of every operation of the memory service."""

MEMORY_ID = "nobody-a1B2c3D4e5"
STRATEGY_ID = "facts-a1B2c3D4e5"
RECORD_ID = "mem-c0ffee00-1111-4222-8333-444455556666"
EVENT_ID = "0000001700000000000#c0ffee00"
TOKEN = "c0ffee00-1111-4222-8333-444455556666"
TIME = 1700000000  # seconds
BLOCK = {"appendToPrompt": "only food", "modelId": "some.model"}

SCHEMA = {
    "metadataSchema": [
        {
            "key": "topic",
            "type": "STRING",
            "extractionType": "LLM_INFERRED",
            "extractionConfig": {
                "llmExtractionConfig": {
                    "definition": "what it is about",
                    "llmExtractionInstruction": "one word",
                    "validation": {"stringValidation": {"allowedValues": ["food"]}},
                }
            },
        }
    ]
}

STREAM = {
    "resources": [
        {
            "kinesis": {
                "dataStreamArn": "arn:aws:kinesis:us-west-2:123456789012:stream/s",
                "contentConfigurations": [{"type": "MEMORY_RECORDS", "level": "FULL_CONTENT"}],
            }
        }
    ]
}

REFLECTION = {**BLOCK, "namespaceTemplates": ["/r/{actorId}/"], "memoryRecordSchema": SCHEMA}

CUSTOM = {
    "customMemoryStrategy": {
        "name": "facts",
        "description": "nobody",
        "namespaceTemplates": ["/facts/{actorId}/"],
        "configuration": {
            "episodicOverride": {"extraction": BLOCK, "consolidation": BLOCK, "reflection": REFLECTION},
        },
        "memoryRecordSchema": SCHEMA,
    }
}

MODIFIED = {
    "memoryStrategyId": STRATEGY_ID,
    "description": "nobody",
    "namespaces": ["/facts/{actorId}/"],
    "configuration": {
        "extraction": {"customExtractionConfiguration": {"episodicExtractionOverride": BLOCK}},
        "consolidation": {"customConsolidationConfiguration": {"episodicConsolidationOverride": BLOCK}},
        "reflection": {"customReflectionConfiguration": {"episodicReflectionOverride": REFLECTION}},
        "selfManagedConfiguration": {
            "triggerConditions": [{"messageBasedTrigger": {"messageCount": 3}}],
            "invocationConfiguration": {
                "topicArn": "arn:aws:sns:us-west-2:123456789012:t",
                "payloadDeliveryBucketName": "payloads",
            },
            "historicalContextWindowSize": 3,
        },
    },
    "memoryRecordSchema": SCHEMA,
}

METADATA = {"topic": {"stringValue": "food"}}
FILTERS = [
    {"left": {"metadataKey": "topic"}, "operator": "EQUALS_TO", "right": {"metadataValue": {"stringValue": "food"}}}
]
WHERE = {"memoryId": MEMORY_ID, "actorId": "alice", "sessionId": "s"}
PAGE = {"maxResults": 5, "nextToken": "none"}
RECORD = {
    "timestamp": TIME,
    "content": {"text": "likes sushi"},
    "namespaces": ["/facts/alice/"],
    "memoryStrategyId": STRATEGY_ID,
    "metadata": METADATA,
}

MEMORY = {
    "CreateMemory": {
        "clientToken": TOKEN,
        "name": "nobody",
        "description": "nobody",
        "encryptionKeyArn": "arn:aws:kms:us-west-2:123456789012:key/k",
        "memoryExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
        "eventExpiryDuration": 30,
        "memoryStrategies": [CUSTOM],
        "indexedKeys": [{"key": "topic", "type": "STRING"}],
        "streamDeliveryResources": STREAM,
        "tags": {"team": "blue"},
    },
    "GetMemory": {"memoryId": MEMORY_ID, "view": "full"},
    "UpdateMemory": {
        "clientToken": TOKEN,
        "memoryId": MEMORY_ID,
        "description": "nobody",
        "eventExpiryDuration": 30,
        "memoryExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
        "memoryStrategies": {
            "addMemoryStrategies": [CUSTOM],
            "modifyMemoryStrategies": [MODIFIED],
            "deleteMemoryStrategies": [{"memoryStrategyId": STRATEGY_ID}],
        },
        "addIndexedKeys": [{"key": "topic", "type": "STRING"}],
        "streamDeliveryResources": STREAM,
    },
    "DeleteMemory": {"memoryId": MEMORY_ID, "clientToken": TOKEN},
    "ListMemories": PAGE,
    "CreateEvent": {
        **WHERE,
        "eventTimestamp": TIME,
        "payload": [{"conversational": {"content": {"text": "hello"}, "role": "USER"}}],
        "branch": {"name": "alt", "rootEventId": EVENT_ID},
        "clientToken": TOKEN,
        "metadata": METADATA,
        "extractionMode": "SKIP",
    },
    "GetEvent": {**WHERE, "eventId": EVENT_ID},
    "DeleteEvent": {**WHERE, "eventId": EVENT_ID},
    "ListEvents": {
        **WHERE,
        "includePayloads": True,
        "filter": {"branch": {"name": "alt", "includeParentBranches": True}, "eventMetadata": FILTERS},
        **PAGE,
    },
    "ListActors": {"memoryId": MEMORY_ID, **PAGE},
    "ListSessions": {"memoryId": MEMORY_ID, "actorId": "alice", "filter": {"eventFilter": "HAS_EVENTS"}, **PAGE},
    "RetrieveMemoryRecords": {
        "memoryId": MEMORY_ID,
        "namespace": "/facts/",
        "namespacePath": "/facts/",
        "searchCriteria": {
            "searchQuery": "food",
            "memoryStrategyId": STRATEGY_ID,
            "topK": 3,
            "metadataFilters": FILTERS,
        },
        **PAGE,
    },
    "ListMemoryRecords": {
        "memoryId": MEMORY_ID,
        "namespace": "/facts/",
        "namespacePath": "/facts/",
        "memoryStrategyId": STRATEGY_ID,
        "metadataFilters": FILTERS,
        **PAGE,
    },
    "GetMemoryRecord": {"memoryId": MEMORY_ID, "memoryRecordId": RECORD_ID},
    "DeleteMemoryRecord": {"memoryId": MEMORY_ID, "memoryRecordId": RECORD_ID},
    "BatchCreateMemoryRecords": {
        "memoryId": MEMORY_ID,
        "records": [{"requestIdentifier": "one", **RECORD}],
        "clientToken": TOKEN,
    },
    "BatchUpdateMemoryRecords": {"memoryId": MEMORY_ID, "records": [{"memoryRecordId": RECORD_ID, **RECORD}]},
    "BatchDeleteMemoryRecords": {"memoryId": MEMORY_ID, "records": [{"memoryRecordId": RECORD_ID}]},
    "ListMemoryExtractionJobs": {
        "memoryId": MEMORY_ID,
        "filter": {"strategyId": STRATEGY_ID, "sessionId": "s", "actorId": "alice", "status": "FAILED"},
        **PAGE,
    },
    "StartMemoryExtractionJob": {"memoryId": MEMORY_ID, "extractionJob": {"jobId": "1"}, "clientToken": TOKEN},
}
