{{ connected_components(nodes=ref('int_identity__records'), edges=ref('int_identity__links')) }}
