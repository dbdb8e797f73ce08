with

accounting as (
    {{ accounting_rows('vtiger', [
        ['contacts', 'id', ref('stg_vtiger__contacts')],
        ['leads', 'id', ref('stg_vtiger__leads')],
        ['accounts', 'id', ref('stg_vtiger__accounts')],
        ['potentials', 'id', ref('stg_vtiger__potentials')],
        ['events', 'id', ref('stg_vtiger__activities')],
    ]) }}
)

select * from accounting
