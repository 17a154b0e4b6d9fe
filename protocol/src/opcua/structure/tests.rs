//! Structures of the standard as the client library writes them, and made-up ones byte by byte.

use opcua::types::custom::{DataTypeTree, EncodingIds, ParentIds};
use opcua::types::{
    Annotation, AnnotationDataType, ApplicationDescription, Argument, AxisInformation,
    BitFieldDefinition, BuildInfo, ByteString, ComplexNumberType, ConfigurationVersionDataType,
    CurrencyUnitType, DoubleComplexNumberType, DynEncodable, EUInformation, EndpointType,
    EndpointUrlListDataType, EnumField, EnumValueType, KeyValuePair, LinearConversionDataType,
    LldpManagementAddressTxPortType, LldpManagementAddressType, LldpTlvType, LocalizedText,
    ModelChangeStructureDataType, NetworkGroupDataType, PortableNodeId, PortableQualifiedName,
    PriorityMappingEntryType, ProgramDiagnostic2DataType, ProgramDiagnosticDataType,
    QuantityDimension, Range, RationalNumber, RedundantServerDataType,
    ReferenceDescriptionDataType, ReferenceListEntryDataType, RolePermissionType,
    SamplingIntervalDiagnosticsDataType, SemanticChangeStructureDataType,
    ServerDiagnosticsSummaryDataType, ServerState, ServerStatusDataType, ServiceCounterDataType,
    SessionDiagnosticsDataType, SessionSecurityDiagnosticsDataType, StatusResult,
    SubscriptionDiagnosticsDataType, ThreeDCartesianCoordinates, ThreeDFrame, ThreeDOrientation,
    ThreeDVector, TimeZoneDataType, TransactionErrorType, UnsignedRationalNumber,
    UserManagementDataType, UserTokenPolicy, WriteRequest, XVType,
};

use super::super::leaf::leaves;
use super::*;

/// Leaves in words: `path=value`.
fn words(value: &Variant, types: Option<&DataTypeTree>) -> Result<Vec<String>, Refusal> {
    let word = |(path, value)| match value {
        Variant::Empty => format!("{path}="),
        Variant::LocalizedText(text) => format!("{path}={}", text.text.as_ref()),
        value => format!("{path}={value}"),
    };
    Ok(leaves(value, types, 100)?.into_iter().map(word).collect())
}

fn standard(value: impl DynEncodable) -> Vec<String> {
    words(&Variant::from(ExtensionObject::from_message(value)), None).unwrap()
}

#[test]
fn a_structure_of_the_standard_has_its_fields_as_leaves() {
    assert_eq!(standard(Range { low: -1.5, high: 20.0 }), ["Low=-1.5", "High=20"]);
    let number = DoubleComplexNumberType { real: 3.0, imaginary: -4.0 };
    assert_eq!(standard(number), ["Real=3", "Imaginary=-4"]);
    assert_eq!(standard(XVType { x: 0.5, value: 2.0 }), ["X=0.5", "Value=2"]);
    let zone = TimeZoneDataType { offset: -90, daylight_saving_in_offset: true };
    assert_eq!(standard(zone), ["Offset=-90", "DaylightSavingInOffset=true"]);
}

#[test]
fn structures_and_arrays_within_are_further_levels() {
    let axis = AxisInformation {
        engineering_units: EUInformation {
            namespace_uri: "urn:units".into(),
            unit_id: 4_408_652,
            display_name: LocalizedText::new("", "°C"),
            description: LocalizedText::null(),
        },
        eu_range: Range { low: 0.0, high: 5.0 },
        title: LocalizedText::new("en", "speed"),
        axis_steps: Some(vec![1.0, 2.5]),
        ..AxisInformation::default()
    };
    assert_eq!(
        standard(axis),
        [
            "EngineeringUnits/NamespaceUri=urn:units",
            "EngineeringUnits/UnitId=4408652",
            "EngineeringUnits/DisplayName=°C",
            "EngineeringUnits/Description=",
            "EURange/Low=0",
            "EURange/High=5",
            "Title=speed",
            "AxisScaleType=0",
            "AxisSteps/0=1",
            "AxisSteps/1=2.5",
        ]
    );
    let status = ServerStatusDataType { state: ServerState::Failed, ..Default::default() };
    assert!(standard(status).contains(&"State=1".to_owned()));
    let pair = KeyValuePair { key: "Pose".into(), value: Variant::from(vec![1_i32, 2]) };
    assert_eq!(standard(pair), ["Key=Pose", "Value/0=1", "Value/1=2"]);
}

#[test]
fn an_array_of_structures_has_numbers_before_names() {
    let argument = |name: &str| {
        ExtensionObject::from_message(Argument {
            name: name.into(),
            data_type: NodeId::new(0, 11),
            value_rank: -1,
            array_dimensions: None,
            description: LocalizedText::new("", "how fast"),
        })
    };
    let both = Variant::from(vec![argument("speed"), argument("torque")]);
    let words = words(&both, None).unwrap();
    assert_eq!(
        words.iter().filter(|word| word.contains("Name=")).collect::<Vec<_>>(),
        ["0/Name=speed", "1/Name=torque"]
    );
    assert_eq!(words.len(), 8, "{words:?}");
}

#[test]
fn nothing_in_place_of_a_structure_has_no_leaves() {
    assert_eq!(words(&Variant::from(ExtensionObject::null()), None), Ok(vec![]));
}

#[test]
fn a_structure_that_nobody_describes_is_refused() {
    let request = Variant::from(ExtensionObject::from_message(WriteRequest::default()));
    assert_eq!(words(&request, None), Err(Refusal::Structure));
    assert_eq!(words(&own(1, &[1, 0, 0, 0]), None), Err(Refusal::Structure));
}

/// The library knows each of these structures by itself: what it writes must be what is described.
#[test]
fn every_description_fits_what_the_library_writes() {
    macro_rules! check {
        ($($structure:ident),* $(,)?) => {
            [$((stringify!($structure), ExtensionObject::from_message($structure::default())),)*]
        };
    }
    let all = check![
        Annotation,
        AnnotationDataType,
        ApplicationDescription,
        Argument,
        AxisInformation,
        BitFieldDefinition,
        BuildInfo,
        ComplexNumberType,
        ConfigurationVersionDataType,
        CurrencyUnitType,
        DoubleComplexNumberType,
        EUInformation,
        EndpointType,
        EndpointUrlListDataType,
        EnumField,
        EnumValueType,
        KeyValuePair,
        LinearConversionDataType,
        LldpManagementAddressTxPortType,
        LldpManagementAddressType,
        LldpTlvType,
        ModelChangeStructureDataType,
        NetworkGroupDataType,
        PortableNodeId,
        PortableQualifiedName,
        PriorityMappingEntryType,
        ProgramDiagnostic2DataType,
        ProgramDiagnosticDataType,
        QuantityDimension,
        Range,
        RationalNumber,
        RedundantServerDataType,
        ReferenceDescriptionDataType,
        ReferenceListEntryDataType,
        RolePermissionType,
        SamplingIntervalDiagnosticsDataType,
        SemanticChangeStructureDataType,
        ServerDiagnosticsSummaryDataType,
        ServerStatusDataType,
        ServiceCounterDataType,
        SessionDiagnosticsDataType,
        SessionSecurityDiagnosticsDataType,
        StatusResult,
        SubscriptionDiagnosticsDataType,
        ThreeDCartesianCoordinates,
        ThreeDFrame,
        ThreeDOrientation,
        ThreeDVector,
        TimeZoneDataType,
        TransactionErrorType,
        UnsignedRationalNumber,
        UserManagementDataType,
        UserTokenPolicy,
        XVType,
    ];
    assert_eq!(all.len(), standard::count());
    for (name, object) in all {
        let about = object.data_type().and_then(|id| standard::structure(&id.node_id));
        assert_eq!(about.map(|about| about.name.as_str()), Some(name));
        let leaves = words(&Variant::from(object), None);
        assert!(leaves.is_ok(), "{name}: {leaves:?}");
    }
}

/// A structure of a namespace of the server's own, as it came.
fn own(number: u32, bytes: &[u8]) -> Variant {
    let body = ByteStringBody::new(ByteString::from(bytes), NodeId::new(2, number));
    Variant::from(ExtensionObject::from_message(body))
}

fn field(name: &str, kind: VariantScalarTypeId, value_rank: i32) -> ParsedStructureField {
    ParsedStructureField {
        name: name.to_owned(),
        type_id: NodeId::new(2, 9),
        value_rank,
        array_dimensions: None,
        is_optional: false,
        scalar_type: kind,
    }
}

/// A server that describes data type 1, which is encoded as 1, and 9, which has no fields.
fn types(kind: StructureType, fields: Vec<ParsedStructureField>) -> DataTypeTree {
    let mut tree = DataTypeTree::new(ParentIds::new());
    for (number, structure_type, fields) in
        [(1, kind, fields), (9, StructureType::Structure, vec![])]
    {
        let node_id = NodeId::new(2, number);
        let about = StructTypeInfo {
            structure_type,
            fields,
            index_by_name: std::collections::HashMap::new(),
            encoding_ids: EncodingIds::default(),
            is_abstract: false,
            node_id: node_id.clone(),
            name: String::new(),
        };
        tree.add_type(node_id, about);
    }
    tree
}

#[test]
fn a_structure_is_read_as_its_server_describes_it() {
    use VariantScalarTypeId::{Boolean, Int16, Int32};
    let optional =
        |name: &str, kind| ParsedStructureField { is_optional: true, ..field(name, kind, -1) };
    let plain = || vec![field("a", Int16, -1), field("b/c", Boolean, -1)];
    let some = || vec![optional("a", Int16), field("b", Boolean, -1), optional("c", Int16)];
    let lists = || vec![field("a", Int16, 1), field("b", Boolean, -1)];
    for (kind, fields, bytes, want) in [
        (StructureType::Structure, plain(), &[5, 0, 1][..], &["a=5", "b_c=true"][..]),
        (
            StructureType::StructureWithOptionalFields,
            some(),
            &[2, 0, 0, 0, 1, 7, 0],
            &["a=", "b=true", "c=7"],
        ),
        (
            StructureType::StructureWithOptionalFields,
            some(),
            &[1, 0, 0, 0, 7, 0, 0],
            &["a=7", "b=false", "c="],
        ),
        (StructureType::Union, plain(), &[2, 0, 0, 0, 1], &["a=", "b_c=true"]),
        (StructureType::Union, plain(), &[0, 0, 0, 0], &["a=", "b_c="]),
        // What is null is written as -1, by asyncua and node-opcua alike.
        (StructureType::Structure, lists(), &[0xff, 0xff, 0xff, 0xff, 1], &["b=true"]),
        (
            StructureType::Structure,
            lists(),
            &[2, 0, 0, 0, 1, 0, 2, 0, 1],
            &["a/0=1", "a/1=2", "b=true"],
        ),
        (
            StructureType::Structure,
            vec![field("m", Boolean, 2)],
            &[2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0],
            &["m/0/0=true", "m/0/1=false"],
        ),
        // A field that may be of a subtype says of which.
        (
            StructureType::StructureWithSubtypedValues,
            vec![optional("a", Int32), field("b", Boolean, -1)],
            &[4, 5, 0, 1],
            &["a=5", "b=true"],
        ),
    ] {
        let types = types(kind, fields);
        assert_eq!(words(&own(1, bytes), Some(&types)).unwrap(), want, "{kind:?} {bytes:?}");
    }
}

#[test]
fn bytes_that_do_not_fit_the_description_are_refused_whole() {
    use VariantScalarTypeId::{Boolean, ExtensionObject, String};
    let two = || vec![field("a", Boolean, -1), field("b", Boolean, -1)];
    for (kind, fields, bytes, why) in [
        (StructureType::Structure, two(), &[1][..], Refusal::Malformed),
        (StructureType::Structure, two(), &[1, 1, 1], Refusal::Malformed),
        (StructureType::Union, two(), &[3, 0, 0, 0, 1], Refusal::Malformed),
        (
            StructureType::Structure,
            vec![field("a", String, -1)],
            &[0xff, 0xff, 0xff, 0x7f, b'x'],
            Refusal::Malformed,
        ),
        // Two thousand million elements that cost no byte, and a matrix of as many.
        (
            StructureType::Structure,
            vec![field("a", ExtensionObject, 1)],
            &[0xff, 0xff, 0xff, 0x7f],
            Refusal::Array,
        ),
        (
            StructureType::Structure,
            vec![field("a", ExtensionObject, 2)],
            &[2, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f],
            Refusal::Array,
        ),
    ] {
        let types = types(kind, fields);
        assert_eq!(words(&own(1, bytes), Some(&types)), Err(why), "{bytes:?}");
    }
}

#[test]
fn a_structure_within_itself_ends() {
    let within = |rank| {
        let inner = ParsedStructureField {
            type_id: NodeId::new(2, 1),
            ..field("a", VariantScalarTypeId::ExtensionObject, rank)
        };
        types(StructureType::Structure, vec![inner])
    };
    assert_eq!(words(&own(1, &[]), Some(&within(-1))), Err(Refusal::Array));
    let many = [100, 0, 0, 0].repeat(1_000_000);
    assert_eq!(words(&own(1, &many), Some(&within(1))), Err(Refusal::Array));
}
