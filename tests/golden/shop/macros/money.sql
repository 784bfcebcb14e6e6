{% macro worth(column='amount', least=var('least')) -%}
    greatest({{ column }}, {{ least }})
{%- endmacro %}
