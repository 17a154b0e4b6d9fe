//! The structures that the standard itself defines, field by field: servers need not describe them.
//!
//! ```text
//! 884 Range                       the number of the data type in namespace 0, and its name
//!     Low Double, High Double     its fields in the order of the wire: name, type, [] for an array
//! ```
//! They are those of Part 3, 5, 8 to 11 and 14 that variables hold. Enumerations are Int32, names
//! for a built-in type (Duration, UtcTime, LocaleId) that type.
//!
//! *Invariant.* A structure is described once. A test reads by each what the client library writes for
//! it, to the last byte.
//!
//! *Not here.* Requests, responses, filters and the configuration of PubSub: no variable of a device
//! has them as its value.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use opcua::types::custom::{EncodingIds, ParsedStructureField, StructTypeInfo};
use opcua::types::{NodeId, StructureType, VariantScalarTypeId};

/// The structure of this data type, where the standard defines it.
pub(super) fn structure(data_type: &NodeId) -> Option<&'static Arc<StructTypeInfo>> {
    STANDARD.get(data_type)
}

/// How many there are.
#[cfg(test)]
pub(super) fn count() -> usize {
    STANDARD.len()
}

static STANDARD: LazyLock<HashMap<NodeId, Arc<StructTypeInfo>>> = LazyLock::new(|| {
    let entries = entries();
    let numbers: HashMap<&str, u32> = entries.iter().map(|one| (one.name, one.number)).collect();
    let structure = |entry: &Entry| {
        let node_id = NodeId::new(0, entry.number);
        let fields = entry.fields.split(',').filter_map(|text| field(text.trim(), &numbers));
        let about = StructTypeInfo {
            structure_type: StructureType::Structure,
            fields: fields.collect(),
            index_by_name: HashMap::new(),
            encoding_ids: EncodingIds::default(),
            is_abstract: false,
            node_id: node_id.clone(),
            name: entry.name.to_owned(),
        };
        (node_id, Arc::new(about))
    };
    entries.iter().map(structure).collect()
});

/// A structure as it is written below.
struct Entry {
    number: u32,
    name: &'static str,
    fields: String,
}

fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for line in TYPES.lines() {
        match (line.strip_prefix("    "), all.last_mut()) {
            (Some(fields), Some(entry)) => {
                entry.fields.push(' ');
                entry.fields.push_str(fields);
            }
            _ => all.extend(line.split_once(' ').and_then(|(number, name)| {
                Some(Entry { number: number.parse().ok()?, name, fields: String::new() })
            })),
        }
    }
    all
}

fn field(text: &str, numbers: &HashMap<&str, u32>) -> Option<ParsedStructureField> {
    let (name, kind) = text.split_once(' ')?;
    let (kind, value_rank) = kind.strip_suffix("[]").map_or((kind, -1), |kind| (kind, 1));
    let (scalar_type, number) = match numbers.get(kind) {
        Some(number) => (VariantScalarTypeId::ExtensionObject, *number),
        None => (built_in(kind)?, 0),
    };
    Some(ParsedStructureField {
        name: name.to_owned(),
        type_id: NodeId::new(0, number),
        value_rank,
        array_dimensions: None,
        is_optional: false,
        scalar_type,
    })
}

fn built_in(name: &str) -> Option<VariantScalarTypeId> {
    use VariantScalarTypeId as Id;
    Some(match name {
        "Boolean" => Id::Boolean,
        "SByte" => Id::SByte,
        "Byte" => Id::Byte,
        "Int16" => Id::Int16,
        "Int32" => Id::Int32,
        "UInt32" => Id::UInt32,
        "Int64" => Id::Int64,
        "Float" => Id::Float,
        "Double" => Id::Double,
        "String" => Id::String,
        "DateTime" => Id::DateTime,
        "ByteString" => Id::ByteString,
        "NodeId" => Id::NodeId,
        "ExpandedNodeId" => Id::ExpandedNodeId,
        "StatusCode" => Id::StatusCode,
        "QualifiedName" => Id::QualifiedName,
        "LocalizedText" => Id::LocalizedText,
        "Variant" => Id::Variant,
        "DiagnosticInfo" => Id::DiagnosticInfo,
        _ => return None,
    })
}

const TYPES: &str = "\
96 RolePermissionType
    RoleId NodeId, Permissions UInt32
102 EnumField
    Value Int64, DisplayName LocalizedText, Description LocalizedText, Name String
296 Argument
    Name String, DataType NodeId, ValueRank Int32, ArrayDimensions UInt32[], Description
    LocalizedText
299 StatusResult
    StatusCode StatusCode, DiagnosticInfo DiagnosticInfo
304 UserTokenPolicy
    PolicyId String, TokenType Int32, IssuedTokenType String, IssuerEndpointUrl String,
    SecurityPolicyUri String
308 ApplicationDescription
    ApplicationUri String, ProductUri String, ApplicationName LocalizedText, ApplicationType
    Int32, GatewayServerUri String, DiscoveryProfileUri String, DiscoveryUrls String[]
338 BuildInfo
    ProductUri String, ManufacturerName String, ProductName String, SoftwareVersion String,
    BuildNumber String, BuildDate DateTime
853 RedundantServerDataType
    ServerId String, ServiceLevel Byte, ServerState Int32
856 SamplingIntervalDiagnosticsDataType
    SamplingInterval Double, MonitoredItemCount UInt32, MaxMonitoredItemCount UInt32,
    DisabledMonitoredItemCount UInt32
859 ServerDiagnosticsSummaryDataType
    ServerViewCount UInt32, CurrentSessionCount UInt32, CumulatedSessionCount UInt32,
    SecurityRejectedSessionCount UInt32, RejectedSessionCount UInt32, SessionTimeoutCount
    UInt32, SessionAbortCount UInt32, CurrentSubscriptionCount UInt32,
    CumulatedSubscriptionCount UInt32, PublishingIntervalCount UInt32,
    SecurityRejectedRequestsCount UInt32, RejectedRequestsCount UInt32
862 ServerStatusDataType
    StartTime DateTime, CurrentTime DateTime, State Int32, BuildInfo BuildInfo,
    SecondsTillShutdown UInt32, ShutdownReason LocalizedText
865 SessionDiagnosticsDataType
    SessionId NodeId, SessionName String, ClientDescription ApplicationDescription,
    ServerUri String, EndpointUrl String, LocaleIds String[], ActualSessionTimeout Double,
    MaxResponseMessageSize UInt32, ClientConnectionTime DateTime, ClientLastContactTime
    DateTime, CurrentSubscriptionsCount UInt32, CurrentMonitoredItemsCount UInt32,
    CurrentPublishRequestsInQueue UInt32, TotalRequestCount ServiceCounterDataType,
    UnauthorizedRequestCount UInt32, ReadCount ServiceCounterDataType, HistoryReadCount
    ServiceCounterDataType, WriteCount ServiceCounterDataType, HistoryUpdateCount
    ServiceCounterDataType, CallCount ServiceCounterDataType, CreateMonitoredItemsCount
    ServiceCounterDataType, ModifyMonitoredItemsCount ServiceCounterDataType,
    SetMonitoringModeCount ServiceCounterDataType, SetTriggeringCount
    ServiceCounterDataType, DeleteMonitoredItemsCount ServiceCounterDataType,
    CreateSubscriptionCount ServiceCounterDataType, ModifySubscriptionCount
    ServiceCounterDataType, SetPublishingModeCount ServiceCounterDataType, PublishCount
    ServiceCounterDataType, RepublishCount ServiceCounterDataType,
    TransferSubscriptionsCount ServiceCounterDataType, DeleteSubscriptionsCount
    ServiceCounterDataType, AddNodesCount ServiceCounterDataType, AddReferencesCount
    ServiceCounterDataType, DeleteNodesCount ServiceCounterDataType, DeleteReferencesCount
    ServiceCounterDataType, BrowseCount ServiceCounterDataType, BrowseNextCount
    ServiceCounterDataType, TranslateBrowsePathsToNodeIdsCount ServiceCounterDataType,
    QueryFirstCount ServiceCounterDataType, QueryNextCount ServiceCounterDataType,
    RegisterNodesCount ServiceCounterDataType, UnregisterNodesCount ServiceCounterDataType
868 SessionSecurityDiagnosticsDataType
    SessionId NodeId, ClientUserIdOfSession String, ClientUserIdHistory String[],
    AuthenticationMechanism String, TransportProtocol String, SecurityMode Int32,
    SecurityPolicyUri String, ClientCertificate ByteString
871 ServiceCounterDataType
    TotalCount UInt32, ErrorCount UInt32
874 SubscriptionDiagnosticsDataType
    SessionId NodeId, SubscriptionId UInt32, Priority Byte, PublishingInterval Double,
    MaxKeepAliveCount UInt32, MaxLifetimeCount UInt32, MaxNotificationsPerPublish UInt32,
    PublishingEnabled Boolean, ModifyCount UInt32, EnableCount UInt32, DisableCount UInt32,
    RepublishRequestCount UInt32, RepublishMessageRequestCount UInt32, RepublishMessageCount
    UInt32, TransferRequestCount UInt32, TransferredToAltClientCount UInt32,
    TransferredToSameClientCount UInt32, PublishRequestCount UInt32,
    DataChangeNotificationsCount UInt32, EventNotificationsCount UInt32, NotificationsCount
    UInt32, LatePublishRequestCount UInt32, CurrentKeepAliveCount UInt32,
    CurrentLifetimeCount UInt32, UnacknowledgedMessageCount UInt32, DiscardedMessageCount
    UInt32, MonitoredItemCount UInt32, DisabledMonitoredItemCount UInt32,
    MonitoringQueueOverflowCount UInt32, NextSequenceNumber UInt32, EventQueueOverflowCount
    UInt32
877 ModelChangeStructureDataType
    Affected NodeId, AffectedType NodeId, Verb Byte
884 Range
    Low Double, High Double
887 EUInformation
    NamespaceUri String, UnitId Int32, DisplayName LocalizedText, Description LocalizedText
891 Annotation
    Message String, UserName String, AnnotationTime DateTime
894 ProgramDiagnosticDataType
    CreateSessionId NodeId, CreateClientName String, InvocationCreationTime DateTime,
    LastTransitionTime DateTime, LastMethodCall String, LastMethodSessionId NodeId,
    LastMethodInputArguments Argument[], LastMethodOutputArguments Argument[],
    LastMethodCallTime DateTime, LastMethodReturnStatus StatusResult
897 SemanticChangeStructureDataType
    Affected NodeId, AffectedType NodeId
7594 EnumValueType
    Value Int64, DisplayName LocalizedText, Description LocalizedText
8912 TimeZoneDataType
    Offset Int16, DaylightSavingInOffset Boolean
11943 EndpointUrlListDataType
    EndpointUrlList String[]
11944 NetworkGroupDataType
    ServerUri String, NetworkPaths EndpointUrlListDataType[]
12079 AxisInformation
    EngineeringUnits EUInformation, EURange Range, Title LocalizedText, AxisScaleType Int32,
    AxisSteps Double[]
12080 XVType
    X Double, Value Float
12171 ComplexNumberType
    Real Float, Imaginary Float
12172 DoubleComplexNumberType
    Real Double, Imaginary Double
14533 KeyValuePair
    Key QualifiedName, Value Variant
14593 ConfigurationVersionDataType
    MajorVersion UInt32, MinorVersion UInt32
15528 EndpointType
    EndpointUrl String, SecurityMode Int32, SecurityPolicyUri String, TransportProfileUri
    String
18806 RationalNumber
    Numerator Int32, Denominator UInt32
18808 ThreeDVector
    X Double, Y Double, Z Double
18810 ThreeDCartesianCoordinates
    X Double, Y Double, Z Double
18812 ThreeDOrientation
    A Double, B Double, C Double
18814 ThreeDFrame
    CartesianCoordinates ThreeDCartesianCoordinates, Orientation ThreeDOrientation
18953 LldpManagementAddressTxPortType
    AddressSubtype UInt32, ManAddress String, TxEnable Boolean, AddrLen UInt32, IfSubtype
    Int32, IfId UInt32
18954 LldpManagementAddressType
    AddressSubtype UInt32, Address String, IfSubtype Int32, IfId UInt32
18955 LldpTlvType
    TlvType UInt32, TlvInfo ByteString
23498 CurrencyUnitType
    NumericCode Int16, Exponent SByte, AlphabeticCode String, Currency LocalizedText
24033 ProgramDiagnostic2DataType
    CreateSessionId NodeId, CreateClientName String, InvocationCreationTime DateTime,
    LastTransitionTime DateTime, LastMethodCall String, LastMethodSessionId NodeId,
    LastMethodInputArguments Argument[], LastMethodOutputArguments Argument[],
    LastMethodInputValues Variant[], LastMethodOutputValues Variant[], LastMethodCallTime
    DateTime, LastMethodReturnStatus StatusCode
24105 PortableQualifiedName
    NamespaceUri String, Name String
24106 PortableNodeId
    NamespaceUri String, Identifier NodeId
24107 UnsignedRationalNumber
    Numerator UInt32, Denominator UInt32
24281 UserManagementDataType
    UserName String, UserConfiguration UInt32, Description String
25220 PriorityMappingEntryType
    MappingUri String, PriorityLabel String, PriorityValue_PCP Byte, PriorityValue_DSCP
    UInt32
32285 TransactionErrorType
    TargetId NodeId, Error StatusCode, Message LocalizedText
32421 BitFieldDefinition
    Name String, Description LocalizedText, Reserved Boolean, StartingBitPosition UInt32,
    EndingBitPosition UInt32
32434 AnnotationDataType
    Annotation String, Discipline String, Uri String
32435 LinearConversionDataType
    InitialAddend Float, Multiplicand Float, Divisor Float, FinalAddend Float
32438 QuantityDimension
    MassExponent SByte, LengthExponent SByte, TimeExponent SByte, ElectricCurrentExponent
    SByte, AmountOfSubstanceExponent SByte, LuminousIntensityExponent SByte,
    AbsoluteTemperatureExponent SByte, DimensionlessExponent SByte
32659 ReferenceDescriptionDataType
    SourceNode NodeId, ReferenceType NodeId, IsForward Boolean, TargetNode ExpandedNodeId
32660 ReferenceListEntryDataType
    ReferenceType NodeId, IsForward Boolean, TargetNode ExpandedNodeId";
